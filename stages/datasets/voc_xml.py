"""Boxes in Pascal VOC XML, one file an image.

Boxes in these files are pixel numbers that start at 1 and include the last pixel, so `xmin..xmax` becomes the half-open
[xmin - 1, xmax), and one pixel has xmin = xmax; labelImg may write 0 for xmin, which is taken as 1. `<depth>` is
ignored: NEU-DET says 1 although its JPEG files have three channels.
"""

import math
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from stages.datasets.images import Box, drawn_shape, open_file
from stages.datasets.marks import Marks, claimed_shape
from stages.datasets.names import defect_name
from stages.datasets.orientation import stored_shape
from stages.datasets.plain_files import other_encoding, read_bytes
from stages.datasets.settings import Dataset
from stages.runtime.errors import InputError

MAX_XML_BYTES = 2**23  # some 30,000 boxes
# The parser knows no encoding of several bytes a character but Unicode's; these are decoded before.
ENCODINGS = frozenset({"gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"})

_MARKS = frozenset({"object", "bndbox", "robndbox", "box", "bbox", "polygon", "mask", "defect"})
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)[\"'][^>]*\?>")


def read_voc_xml(path: Path, image: Path, options: Dataset) -> Marks:
    """Read one VOC file; entities and external references are never expanded.

    Args:
        path: the XML file.
        image: its image, whose header says the size where the file does not.
        options: names that no defect may have, among others.

    Raises:
        InputError: the file is missing, not XML, uses entities, or has a box that is incomplete, outside the image or
            with min > max.
    """
    tree = _parse(path)
    if tree.find("object") is None:
        _check_good(tree, path)
    claimed = _claimed_shape(tree, path)
    shape = claimed or drawn_shape(image, options.exif)
    boxes: list[Box] = []
    for number, item in enumerate(tree.iterfind("object"), 1):
        where = f"{path}: object {number}"
        name = defect_name(item.findtext("name") or "", f"{where}: <name>", options.good_names)
        try:
            boxes += [_box(corners, name, shape, where) for corners in _boxes_of(item, where)]
        except InputError:
            if claimed:
                _check_size(path, image, claimed)
            raise
    unread = "<polygon>" if tree.find("object/polygon") is not None else None
    return Marks(tuple(boxes), shape=claimed, unread=unread)


def _parse(path: Path) -> Element:
    data = read_bytes(path, "annotation", MAX_XML_BYTES)
    declared = _DECLARATION.match(data)
    encoding = declared.group(1).decode().lower() if declared else "utf-8"
    try:
        if declared and encoding in ENCODINGS:
            return fromstring(data[declared.end() :].decode(encoding))
        return fromstring(data)
    except DefusedXmlException:
        raise InputError(f"{path}: the XML declares entities, which are never expanded; write it without") from None
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that does not exist
        reason = other_encoding(data) if encoding == "utf-8" else None
        raise InputError(
            f"{path}: not readable as XML ({reason or error}); correct or remove it and its image"
        ) from None


def _check_good(tree: Element, path: Path) -> None:
    """Refuse a file that would count as that of a good image only because it is not written as VOC is."""
    names = [str(element.tag).rpartition("}")[2] for element in tree.iter()]
    strange = next((name for name in names[1:] if name.lower() in _MARKS), None)
    if names[0] != "annotation" or strange:
        where = f"<{strange[:20]}> not in an <object>" if strange else f"<{names[0][:20]}> in place of <annotation>"
        raise InputError(f"{path}: no VOC annotation ({where}); export it as Pascal VOC, or see dataset.name")


def _claimed_shape(tree: Element, path: Path) -> tuple[int, int] | None:
    """Return the (height, width) of <size>, None where it is missing, empty or 0, as some tools leave it."""
    texts = [(tree.findtext(f"size/{key}") or "").strip() for key in ("height", "width")]
    try:
        height, width = (float(text) if text else 0.0 for text in texts)
        return claimed_shape(height or None, width or None)
    except ValueError:
        raise InputError(
            f"{path}: <size> says {texts[1][:20]!r} x {texts[0][:20]!r}, not numbers of pixels; correct the annotation"
        ) from None


def _boxes_of(item: Element, where: str) -> list[list[float]]:
    """Return the corners of an object's boxes: one, or several of a kind, as some tools write them."""
    boxes = item.findall("bndbox")
    if not boxes:
        tags = ", ".join(f"<{child.tag[:20]}>" for child in list(item)[:6]) or "nothing"
        rotated = ", a rotated box; draw it upright" if item.find("robndbox") is not None else ""
        raise InputError(f"{where}: no <bndbox>, but {tags}{rotated}; correct the annotation")
    return [[_number(box, key, where) for key in ("xmin", "ymin", "xmax", "ymax")] for box in boxes]


def _box(corners: list[float], name: str, shape: tuple[int, int], where: str) -> Box:
    height, width = shape
    x_low, y_low, x_high, y_high = corners
    text = f"box x {x_low:g}..{x_high:g}, y {y_low:g}..{y_high:g}"
    if x_low > x_high or y_low > y_high:
        raise InputError(f"{where}: {text}: min must not be more than max; correct the annotation")
    if x_low == x_high and y_low == y_high:
        raise InputError(f"{where}: {text} is a single point, as an accidental click leaves it; remove the object")
    # What is written with decimals may lie a fraction of a pixel outside.
    if min(x_low, y_low) <= -1 or x_high >= width + 1 or y_high >= height + 1 or min(x_high, y_high) < 0.5:
        raise InputError(f"{where}: {text} is outside the image of {width}x{height} px; correct the annotation")
    (x_min, x_max), (y_min, y_max) = _pixels(x_low, x_high, width), _pixels(y_low, y_high, height)
    return Box(x_min, y_min, x_max, y_max, name)


def _pixels(low: float, high: float, length: int) -> tuple[int, int]:
    first, last = (min(max(round(number), 1), length) for number in (low, high))
    return first - 1, last


def _check_size(path: Path, image: Path, claimed: tuple[int, int]) -> None:
    """Say so where not a box but the size is wrong, which is looked up only when there is trouble."""
    header = open_file(image, "image", whole=False)
    if claimed not in (header.shape, stored_shape(header.shape, header.orientation)):
        raise InputError(
            f"{path}: <size> says {claimed[1]}x{claimed[0]} px but {image.name} is {header.shape[1]}x{header.shape[0]} "
            "px; correct the annotation"
        )


def _number(item: Element, key: str, where: str) -> float:
    text = item.findtext(key)
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not abs(number) < 1e9:  # neither NaN nor infinite, and short enough to be quoted in a message
        problem = "is missing" if text is None else f"is {text[:20]!r}, not a number of pixels"
        raise InputError(f"{where}: <bndbox/{key}> {problem}; correct the annotation")
    return number
