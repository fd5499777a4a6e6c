"""DeepPCB: circuit boards in two grey levels, each image beside its clean template, with boxes of six kinds of defect.

    group44000/44000/44000011_test.jpg      the board as it is
    group44000/44000/44000011_temp.jpg      the same place without defects
    group44000/44000_not/44000011.txt       lines `x1 y1 x2 y2 type`

Source: Tang et al., Online PCB defect detector on a new PCB defect dataset, arXiv 1902.06197 (2019).
"""

import re
from pathlib import Path

import numpy as np

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.images import PICTURE_SUFFIXES, Box, SourceImage, drawn_shape, read_image
from stages.datasets.marks import Marks, box_between, check_inside, marks_of, with_marks
from stages.datasets.matching import twins
from stages.datasets.names import GOOD
from stages.datasets.plain_files import read_bytes
from stages.datasets.settings import Dataset
from stages.datasets.tree import child_folders, files_below, find_layout, only
from stages.runtime.errors import InputError

LOOKED_FOR = "folders group*/<number>/ with *_test.jpg and group*/<number>_not/ with *.txt"
KINDS = ("open", "short", "mouse_bite", "spur", "spurious_copper", "pin_hole")  # types 1 to 6
TEST, TEMPLATE, BOXES = "_test", "_temp", "_not"
MAX_TEXT_BYTES = 2**20
# One published image has boxes and names drawn into its pixels. A copy without them is used.
DRAWN_ON = "group44000/44000/44000020_test.jpg"
COLOURED = 64  # grey levels between the channels of a pixel, which no picture of two grey levels has


def read_deeppcb(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read DeepPCB: boxes, and the template of each image, from which exact masks are derived (`dataset.derive_masks`).

    A group is a folder group*: its images are cut from photographs of one board design, overlap one another and show
    the same tracks, so none of them may be in another split. Templates are no images of their own: windows of the test
    images that hold no box are good, and a template's would repeat them. The publisher's lists trainval.txt and
    test.txt are not read.

    Raises:
        InputError: the layout is missing, an image has no boxes file or no template, or a boxes file is wrong.
    """
    folder = only(find_layout(root, lambda path: bool(_image_folders(path)), LOOKED_FOR), root, LOOKED_FOR)
    paths = [
        path
        for images in _image_folders(folder)
        for path in files_below(images, PICTURE_SUFFIXES)
        if not path.stem.endswith(TEMPLATE)
    ]
    if not paths:
        raise InputError(f"{folder}: no images *{TEST}.jpg in group*/<number>/; check dataset.root")
    double, drawn_on = twins(paths), folder / DRAWN_ON
    if drawn_on in paths and _has_colours(drawn_on):
        paths.remove(drawn_on)
        bad.leave_out([DRAWN_ON], "boxes and names are drawn into its pixels as published")

    def describe(path: Path, source: str) -> SourceImage:
        if isinstance(error := double.get(path), InputError):
            raise error
        if not path.stem.endswith(TEST):
            raise InputError(f"{path}: called neither *{TEST} nor *{TEMPLATE}; rename or remove it")
        stem = path.stem.removesuffix(TEST)
        annotation = path.parent.with_name(path.parent.name + BOXES) / f"{stem}.txt"
        if not annotation.is_file() and options.unannotated == "error":
            raise InputError(
                f"{annotation}: missing, so nothing says that {path.name} is good; add it, empty for a good image, or "
                "set dataset.unannotated to good"
            )
        template = path.with_stem(stem + TEMPLATE)
        if not template.is_file() and options.derive_masks:
            raise InputError(f"{template}: missing; add it, or set dataset.derive_masks to false")
        marks = _read_boxes(annotation, path, options) if annotation.is_file() else Marks(())
        image = SourceImage(
            path=path,
            source=source,
            group=path.relative_to(folder).parts[0],
            defect_class=marks.kind if marks.boxes else GOOD,
            annotation=annotation if annotation.is_file() else None,
            template=template if template.is_file() else None,
        )
        return with_marks(image, marks)

    return describe_images(paths, folder, describe, bad)


def _image_folders(folder: Path) -> list[Path]:
    """Return the folders group*/<name> of a data set that have a group*/<name>_not beside them."""
    found = []
    for group in child_folders(folder):
        if group.name.lower().startswith("group"):
            children = child_folders(group)
            names = {child.name for child in children}
            found += [child for child in children if child.name + BOXES in names]
    return found


def _has_colours(path: Path) -> bool:
    try:
        pixels = read_image(path)
    except InputError:  # refused by name where it is read as an image
        return False
    return bool((np.ptp(pixels, axis=2) > COLOURED).any())


def _read_boxes(path: Path, image: Path, options: Dataset) -> Marks:
    try:
        lines = read_bytes(path, "annotation", MAX_TEXT_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not readable as text; correct or remove it") from None
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    shape = drawn_shape(image, options.exif) if rows else (1, 1)
    return marks_of([_box(line, shape, f"{path}: line {number}") for number, line in rows], None, str(path))


def _box(line: str, shape: tuple[int, int], where: str) -> Box:
    words = [word for word in re.split(r"[\s,]+", line) if word]
    if len(words) != 5 or not all(re.fullmatch(r"-?[0-9]{1,9}", word) for word in words):
        raise InputError(f"{where}: {ascii(line)[:60]}; expected five whole numbers, x1 y1 x2 y2 type; correct it")
    x_min, y_min, x_max, y_max, kind = map(int, words)
    if not 1 <= kind <= len(KINDS):
        known = ", ".join(f"{number} {name}" for number, name in enumerate(KINDS, 1))
        raise InputError(f"{where}: type {kind} is not known ({known}); correct it")
    if x_max <= x_min or y_max <= y_min:
        raise InputError(f"{where}: a box of {x_max - x_min} x {y_max - y_min} px; correct it")
    corners = ((float(x_min), float(y_min)), (float(x_max), float(y_max)))
    check_inside(corners, shape, where)
    return box_between(*corners, shape, KINDS[kind - 1])
