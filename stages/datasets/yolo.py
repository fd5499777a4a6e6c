"""Boxes and outlines as YOLO's tools write them: a text file an image, fractions of its width and height.

A line is `class x_centre y_centre width height`, or `class x y x y x y ...`, the corners of an outline (a rotated box
is one of four). Classes are numbers; data.yaml, classes.txt, obj.names or Roboflow's _darknet.labels names them.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box, Polygon, SourceImage, drawn_shape
from stages.datasets.marks import Corners, Marks, box_between, check_inside, marks_of, polygon_inside
from stages.datasets.matching import Content, match_annotations, sort_files
from stages.datasets.names import defect_name
from stages.datasets.pairs import Format, read_pairs
from stages.datasets.plain_files import read_bytes
from stages.datasets.settings import Dataset
from stages.datasets.tree import existing, files_below, some_images
from stages.runtime.errors import InputError

LOOKED_FOR = "images, a text file for each (YOLO), and data.yaml or classes.txt"
CLASS_LISTS = ("classes.txt", "obj.names", "classes.names", "_darknet.labels")
CLASS_FILES = ("data.yaml", "data.yml", *CLASS_LISTS)
MAX_TEXT_BYTES = 2**23
SNAP_PX = 0.01  # six digits of a fraction are this close to the whole pixel that they mean
FRACTION_ERROR = 1e-6  # what six digits may be above 1


def read_yolo(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read images and one text file each: images/**/x.jpg and labels/**/x.txt, or train/images and train/labels, ...

    An empty file is a good image; one without a file is refused unless `dataset.unannotated` is good. Outlines are
    exact truth where every line of the data set has one. Groups are made by `dataset.group_pattern`.

    Raises:
        InputError: no images below root, nothing names the classes, or a text file is missing, ambiguous or wrong.
    """
    files = files_below(existing(root, LOOKED_FOR))
    content = sort_files(files, root, ".txt")
    some_images(content.images, root)
    names, names_parts = _class_names([path for path in files if path.name.lower() in CLASS_FILES], content)
    form = Format(".txt", partial(_read, names=names), None, "an empty text file")
    images = read_pairs(content, form, options, bad)
    if names_parts and not any(image.official for image in images):
        bad.remark("data.yaml names parts by paths, which are not read; folders called train, val and test are")
    return images


def _class_names(files: Sequence[Path], content: Content) -> tuple[Mapping[int, str], bool]:
    """Return the names of the classes by number, and whether a data.yaml says where the parts are."""
    if not files:
        annotated, _ = match_annotations(content.images, content.annotations, content.base)
        raise InputError(
            f"{content.base}: nothing names the classes ({len(annotated)} images have a text file); add data.yaml or "
            "classes.txt (dataset.root)"
        )
    tables = [_read_names(path) for path in files]
    first = tables[0][0]
    for path, (names, _) in zip(files, tables, strict=True):
        if names != first:
            raise InputError(f"{path}: names the classes otherwise than {files[0]}; keep the right one (dataset.root)")
    return first, any(names_parts for _, names_parts in tables)


def _read_names(path: Path) -> tuple[dict[int, str], bool]:
    """Return names by number, and whether the file says where train, val or test are.

    Numbers of classes that mean good stay in, and are refused where they mark something.
    """
    try:
        text = read_bytes(path, "list of classes", MAX_TEXT_BYTES).decode("utf-8-sig")
        if path.name.lower() in CLASS_LISTS:
            return {number: name.strip() for number, name in enumerate(text.rstrip().splitlines())}, False
        content = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not readable as a list of classes ({reason}); correct it") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: no entry 'names'; correct it")
    if "kpt_shape" in content:
        raise InputError(f"{path}: these are keypoints (kpt_shape), which mark no area; export boxes or outlines")
    names = content.get("names")
    pairs: Any = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else None
    wrong = InputError(f"{path}: names is neither a list of class names nor a mapping from numbers to them; correct it")
    if pairs is None:
        raise wrong
    table = {}
    for number, name in pairs:
        if any(isinstance(value, bool) for value in (number, name)):
            raise wrong
        if not isinstance(number, int) or not isinstance(name, str | int):
            raise wrong
        table[number] = str(name)
    return table, bool(set(content) & {"train", "val", "test"})


def _read(path: Path, image: Path, options: Dataset, names: Mapping[int, str]) -> Marks:
    data = read_bytes(path, "annotation", MAX_TEXT_BYTES)
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not readable as text; correct or remove it") from None
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    shape = drawn_shape(image, options.exif) if rows else (1, 1)
    defects: list[Box | Polygon] = []
    for number, words in rows:
        where = f"{path}: line {number}"
        name = _name(words[0], names, options, where)
        values = [_fraction(word, where) for word in words[1:]]
        if len(values) == 4:
            defects.append(_box(values, shape, name, where))
        elif len(values) >= 6 and len(values) % 2 == 0:
            corners = _snapped(_corners(values, shape))
            check_inside(corners, shape, where)
            defects.append(polygon_inside(corners, shape, name))
        else:
            guess = ", as predictions with a confidence have" if len(values) == 5 else ""
            raise InputError(
                f"{where}: {len(words)} numbers{guess}; expected 5 (a box) or 7, 9, 11 ... (an outline); correct it"
            )
    return marks_of(defects, None, str(path))


def _name(word: str, names: Mapping[int, str], options: Dataset, where: str) -> str:
    try:
        number = int(word)
    except ValueError:
        number = -1
    if number not in names:
        known = f"0 to {max(names)}"[:30] if names else "none"
        raise InputError(f"{where}: class {ascii(word)[:20]} is not among those named ({known}); correct it")
    return defect_name(names[number], f"{where}: the name of class {number}", options.good_names)


def _fraction(word: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not -FRACTION_ERROR <= number <= 1 + FRACTION_ERROR:
        pixels = ", which looks like pixels" if number > 1 else ""
        raise InputError(f"{where}: {ascii(word)[:20]} is not a fraction from 0 to 1{pixels}; correct it")
    return number


def _box(values: Sequence[float], shape: tuple[int, int], name: str, where: str) -> Box:
    x, y, width, height = values
    if width <= 0 or height <= 0:
        raise InputError(f"{where}: a box of {width:g} x {height:g} of the image; correct it")
    corners = _corners([x - width / 2, y - height / 2, x + width / 2, y + height / 2], shape)
    check_inside(corners, shape, where)
    return box_between(corners[0], corners[1], shape, name)


def _corners(values: Sequence[float], shape: tuple[int, int]) -> Corners:
    sides = (shape[1], shape[0])
    pixels = [value * sides[place % 2] for place, value in enumerate(values)]
    return list(zip(pixels[::2], pixels[1::2], strict=True))


def _snapped(corners: Corners) -> Corners:
    """Return the corners with numbers that were a whole pixel before they were written as a fraction."""

    def snap(value: float) -> float:
        return float(round(value)) if abs(value - round(value)) < SNAP_PX else value

    return [(snap(x), snap(y)) for x, y in corners]
