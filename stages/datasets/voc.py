"""Data sets annotated with boxes in Pascal VOC XML: HRIPCB, the generated boards (the same layout) and NEU-DET.

Boxes in these files are pixel numbers that start at 1 and include the last pixel, so `xmin..xmax` becomes the half-open
[xmin - 1, xmax); labelImg may write 0 for xmin, which is taken as 1. `<depth>` is ignored: NEU-DET says 1 although its
JPEG files have three channels.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box, SourceImage, read_bytes
from stages.datasets.layout import (
    GOOD,
    child_folder,
    defect_name,
    describe_images,
    files_below,
    find_layout,
    find_one_layout,
    images_below,
)
from stages.runtime.data_params import Dataset
from stages.runtime.errors import InputError

LOOKED_FOR = "folders images/ and Annotations/ (VOC XML)"
MAX_XML_BYTES = 2**23  # some 30,000 boxes
MAX_PX = 10**6  # side of an image; larger numbers are mistakes


@dataclass(frozen=True)
class Annotation:
    """What one VOC file says: the image's height and width in pixels, and its boxes in file order."""

    height: int
    width: int
    boxes: tuple[Box, ...]


def read_boards(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read the layout of HRIPCB: images/<Class>/*.jpg, Annotations/<Class>/*.xml and, where given, masks/<Class>/*.png.

    The group is the number that the file name starts with: the board design, of which a folder holds many images that
    differ in nothing but the painted defects. A name without such a number is a group of its own. An image without
    XML is an error, XML without an image is left out (see `count_unused`).

    Raises:
        InputError: the layout, an image's XML or its mask is missing, or an XML is wrong.
    """
    folder = find_one_layout(root, _is_pair, LOOKED_FOR)
    return _read_pairs([folder], folder, bad, group=_leading_number, named=_folder_of)


def read_neu_det(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read NEU-DET: IMAGES/*.jpg and ANNOTATIONS/*.xml, or train/ and validation/ with both in each.

    Every image is its own group. The class is the one in the file's name (`<class>_<number>`: 300 images of each), as
    the publisher and the paper count; of other names it is what the boxes say. 123 files hold boxes of another class
    than their name: they tell where, not what. The publisher's train and validation folders are read as one set.

    Raises:
        InputError: the layout or an image's XML is missing, or an XML is wrong.
    """
    folders = find_layout(root, _is_pair, LOOKED_FOR)
    base = folders[0] if len(folders) == 1 else root
    return _read_pairs(folders, base, bad, group=None, named=_name_before_number)


def count_unused(root: Path) -> int:
    """Return how many XML files have no image, so that nothing is left out silently."""
    unused = 0
    for folder in find_layout(root, _is_pair, LOOKED_FOR):
        image_folder, annotation_folder, _ = _parts(folder)
        used = {_annotation_of(path, image_folder, annotation_folder) for path in images_below(image_folder)}
        unused += len(set(files_below(annotation_folder, frozenset({".xml"}))) - used)
    return unused


def read_annotation(path: Path) -> Annotation:
    """Read one VOC file; entities and external references are never expanded.

    Raises:
        InputError: the file is missing, not XML, uses entities, has no size, or has a box that is incomplete, outside
            the image or with min >= max.
    """
    data = read_bytes(path, "annotation", MAX_XML_BYTES)
    try:
        tree = fromstring(data)
    except DefusedXmlException:
        raise InputError(f"{path}: the XML declares entities, which are never expanded; write it without") from None
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that does not exist
        raise InputError(f"{path}: not readable as XML ({error}); correct or remove it and its image") from None
    width, height = (_number(tree, f"size/{key}", path, "the image") for key in ("width", "height"))
    if not (0 < width < MAX_PX and 0 < height < MAX_PX):
        raise InputError(f"{path}: <size> says {width}x{height} px; expected the size of its image")
    boxes = tuple(
        _box(item, width, height, path, f"object {number}") for number, item in enumerate(tree.iterfind("object"), 1)
    )
    return Annotation(height, width, boxes)


def _is_pair(folder: Path) -> bool:
    return child_folder(folder, "images") is not None and child_folder(folder, "annotations") is not None


def _parts(folder: Path) -> tuple[Path, Path, Path | None]:
    images, annotations = child_folder(folder, "images"), child_folder(folder, "annotations")
    assert images is not None, folder
    assert annotations is not None, folder
    return images, annotations, child_folder(folder, "masks")


def _read_pairs(
    folders: list[Path],
    base: Path,
    bad: BadFiles,
    group: Callable[[str], str] | None,
    named: Callable[[PurePath], str | None],  # an image's place in its folder -> the class that this names
) -> list[SourceImage]:
    pairs = {folder: _parts(folder) for folder in folders}
    places = {path: folder for folder, (images, _, _) in pairs.items() for path in images_below(images)}
    stems = Counter(path.with_suffix("") for path in places)

    def describe(path: Path, source: str) -> SourceImage:
        image_folder, annotation_folder, mask_folder = pairs[places[path]]
        inside = path.relative_to(image_folder)
        if stems[path.with_suffix("")] > 1:
            raise InputError(f"{path}: another image has the same name but for its suffix; which one is annotated?")
        xml = _annotation_of(path, image_folder, annotation_folder)
        if xml is None:
            raise InputError(
                f"{path}: no annotation {inside.with_suffix('.xml').as_posix()} in {annotation_folder}; "
                "a good image needs an XML without objects"
            )
        annotation = read_annotation(xml)
        names = {box.name for box in annotation.boxes}
        if not names:
            defect_class = GOOD
        elif (name := named(inside)) is not None:
            defect_class = defect_name(name, f"{path}: the class in its name")
        else:
            defect_class = names.pop() if len(names) == 1 else ""
        return SourceImage(
            path=path,
            source=source,
            group=group(path.stem) if group else source,
            defect_class=defect_class,
            label=None,
            boxes=annotation.boxes,
            mask=_mask_of(inside, mask_folder, annotation),
            has_mask=mask_folder is not None,
            annotated_shape=(annotation.height, annotation.width),
        )

    return describe_images(places, base, describe, bad)


def _annotation_of(image: Path, image_folder: Path, annotation_folder: Path) -> Path | None:
    """Return the XML of an image: in the folder of the same name, else directly in the annotation folder."""
    inside = image.relative_to(image_folder).with_suffix(".xml")
    candidates = (annotation_folder / inside, annotation_folder / inside.name)
    return next((path for path in candidates if path.is_file()), None)


def _mask_of(inside: Path, mask_folder: Path | None, annotation: Annotation) -> Path | None:
    if mask_folder is None:
        return None
    mask = mask_folder / inside.with_suffix(".png")
    if mask.is_file():
        return mask
    if annotation.boxes:
        raise InputError(f"{mask}: missing, although the image has boxes and other images have masks; see dataset.root")
    return None


def _folder_of(image: PurePath) -> str | None:
    return image.parts[0] if len(image.parts) > 1 else None


def _name_before_number(image: PurePath) -> str | None:
    name = re.fullmatch(r"(\D+)_\d+", image.stem)
    return name.group(1) if name else None


def _leading_number(stem: str) -> str:
    number = re.match(r"\d+", stem)
    return number.group() if number else stem


def _box(item: Element, width: int, height: int, path: Path, where: str) -> Box:
    x_min, y_min, x_max, y_max = (
        _number(item, f"bndbox/{key}", path, where) for key in ("xmin", "ymin", "xmax", "ymax")
    )
    text = f"box x {x_min}..{x_max}, y {y_min}..{y_max}"
    if x_min >= x_max or y_min >= y_max:
        raise InputError(f"{path}: {where}: {text}: min must be less than max; correct the annotation")
    if min(x_min, y_min) < 0 or x_max > width or y_max > height:
        raise InputError(f"{path}: {where}: {text} is outside the image of {width}x{height} px; correct the annotation")
    name = defect_name(item.findtext("name") or "", f"{path}: {where}: <name>")
    return Box(max(x_min - 1, 0), max(y_min - 1, 0), x_max, y_max, name)


def _number(item: Element, key: str, path: Path, where: str) -> int:
    text = item.findtext(key)
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not abs(number) < 1e9:  # neither NaN nor infinite, and short enough to be quoted in a message
        problem = "is missing" if text is None else f"is {text[:20]!r}, not a number of pixels"
        raise InputError(f"{path}: {where}: <{key}> {problem}; correct the annotation")
    return round(number)
