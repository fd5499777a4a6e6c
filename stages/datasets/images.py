"""Source images: what a reader says about each one, and how its pixels and its mask are decoded."""

import io
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import PIL.Image

from stages.runtime.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"})
MAX_IMAGE_BYTES = 2**30
MAX_PIXELS = 2**28  # 16,384 x 16,384; decoded, that is 768 MiB
MASK_THRESHOLD = 127  # grey values at mask edges come from smoothing or JPEG; above this a pixel is defect

_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG", b"IEND"
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF")

PIL.Image.MAX_IMAGE_PIXELS = None  # `image_shape` refuses large images itself, by MAX_PIXELS and without a warning


@dataclass(frozen=True)
class Box:
    """An annotated rectangle in source pixels, half-open: [x_min, x_max) x [y_min, y_max)."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int
    name: str


@dataclass(frozen=True)
class Polygon:
    """An annotated outline: (x, y) corners in source pixels; pixel (i, j) covers x in [j, j + 1), y in [i, i + 1)."""

    corners: tuple[tuple[float, float], ...]
    name: str


@dataclass(frozen=True)
class Bitmap:
    """An annotated region pixel by pixel: `bits` are height x width pixels from (x, y), rows packed by np.packbits."""

    x: int
    y: int
    width: int
    height: int
    bits: bytes
    name: str


@dataclass(frozen=True)
class SourceImage:
    """One image file and everything that its data set says about it.

    Attributes:
        path: the image file.
        source: posix path relative to the data set's folder; the image's name everywhere.
        group: what was photographed: a board design, a part, a sequence. Groups never cross a split.
        defect_class: "good", or the kind of defect, or "" where kinds are mixed in one image.
        label: "good" or "defective" where only the folder tells; None where the annotation decides tile by tile.
        boxes: annotated boxes; None when the data set has no boxes.
        mask: file with the exact mask, grey, above 127 is defect.
        has_mask: the data set has an exact truth, as mask files or polygons; with neither, nothing here is defective.
        annotated_shape: (height, width) that the annotation claims; None when it claims none.
        polygons: exact outlines of the defects, in place of a mask file.
        bitmaps: exact regions of the defects, in place of a mask file or beside polygons.
        official: the part that the publisher put the image in, "train", "val" or "test"; None where there are no parts.
        annotation: the file that says where the defects are, if any.
    """

    path: Path
    source: str
    group: str
    defect_class: str
    label: str | None
    boxes: tuple[Box, ...] | None
    mask: Path | None
    has_mask: bool
    annotated_shape: tuple[int, int] | None = None
    polygons: tuple[Polygon, ...] = ()
    bitmaps: tuple[Bitmap, ...] = ()
    official: Literal["train", "val", "test"] | None = None
    annotation: Path | None = None


def read_image(path: Path) -> np.ndarray:
    """Return the pixels as stored, H W 3 uint8 RGB; grey becomes three equal channels, 16 bits become 8.

    A rotation tag is ignored: annotations and masks refer to the pixels as stored.

    Raises:
        InputError: the file is missing, truncated, not an image or larger than 2^28 pixels.
    """
    return _decode(path, cv2.IMREAD_COLOR_RGB, "image")


def read_mask(path: Path, height: int, width: int) -> np.ndarray:
    """Return an exact mask as H W bool: True where the grey value is above 127.

    Raises:
        InputError: the file is missing, truncated, not an image or not of the image's height and width.
    """
    grey = _decode(path, cv2.IMREAD_GRAYSCALE, "mask")
    if grey.shape != (height, width):
        raise InputError(
            f"{path}: the mask is {grey.shape[1]}x{grey.shape[0]} px but its image is {width}x{height} px; "
            "correct the mask under dataset.root"
        )
    return grey > MASK_THRESHOLD


def exact_mask(image: SourceImage, height: int, width: int) -> np.ndarray | None:
    """Return the exact truth of an image as H W bool: its mask file, else its polygons and bitmaps; None without any.

    A polygon marks the pixels whose centre is inside by the even-odd rule; one so thin that it holds no centre marks
    the pixels that it runs through. Each is filled on its own, so overlaps add up.

    Raises:
        InputError: see `read_mask`; or something is marked although the image counts as good.
    """
    if not image.has_mask:
        return None
    if image.mask:
        mask = read_mask(image.mask, height, width)
    else:
        mask = _fill(image.polygons, height, width)
        for bitmap in image.bitmaps:
            packed = np.frombuffer(bitmap.bits, np.uint8).reshape(bitmap.height, -1)
            place = np.s_[bitmap.y : bitmap.y + bitmap.height, bitmap.x : bitmap.x + bitmap.width]
            mask[place] |= np.unpackbits(packed, axis=1, count=bitmap.width).view(bool)
    if image.defect_class == "good" and mask.any():
        raise InputError(
            f"{image.mask or image.path}: marks defects, but the image counts as good; correct it (dataset.root)"
        )
    return mask


def image_shape(path: Path) -> tuple[int, int]:
    """Return (height, width) as the header of an image file says, without decoding its pixels.

    Raises:
        InputError: the file is missing, not an image or claims more than 2^28 pixels.
    """
    return _shape(read_bytes(path, "image", MAX_IMAGE_BYTES), path, "image")


def read_bytes(path: Path, what: str, max_bytes: int) -> bytes:
    """Return the content of a plain file of at most `max_bytes`; `what` names it in messages ("image", "mask").

    Raises:
        InputError: the file is missing, a folder, a device or pipe (which might never end), or too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: the {what} is not a plain file; replace or remove it (dataset.root)")
        if status.st_size > max_bytes:
            raise InputError(
                f"{path}: the {what} has {status.st_size} bytes, more than {max_bytes}; replace or remove it"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the {what} cannot be read ({reason}); check dataset.root") from None


def _fill(polygons: tuple[Polygon, ...], height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    for polygon in polygons:
        corners = np.array(polygon.corners)
        left, top = np.floor(corners.min(axis=0)).astype(int)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int)
        inside = _inside(corners - (left, top), bottom - top, right - left)
        mask[top:bottom, left:right] |= inside
        if not inside.any():  # a crack drawn as a hair: the pixels that it runs through
            line = np.zeros((height, width), np.uint8)
            ends = np.minimum(corners.astype(np.int32), (width - 1, height - 1))
            mask |= cv2.polylines(line, [ends], isClosed=True, color=1).astype(bool)
    return mask


def _inside(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return H W bool: an odd number of edges lies between the left border and the pixel's centre.

    cv2.fillPoly would add the pixels that the outline touches, which makes a small defect much larger.
    """
    crossings = np.zeros((height, width + 1), np.uint8)
    for (x, y), (x_end, y_end) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        low, high = sorted((y, y_end))
        rows = np.arange(np.ceil(low - 0.5), np.ceil(high - 0.5)).astype(np.int64)  # centres in [low, high)
        if len(rows):
            at = x + (rows + 0.5 - y) * (x_end - x) / (y_end - y)
            crossings[rows, np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)] ^= 1
    # Sums may wrap around: their last bit, which alone counts, stays right.
    return (np.cumsum(crossings, axis=1, dtype=np.uint8)[:, :width] & 1).astype(bool)


def _decode(path: Path, colour: int, what: str) -> np.ndarray:
    data = read_bytes(path, what, MAX_IMAGE_BYTES)
    pixels = None
    if data and _has_end(data):
        _shape(data, path, what)
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), colour | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error:
            pixels = None
    if pixels is None:
        raise _not_an_image(path, what) from None
    return np.asarray(pixels)


def _shape(data: bytes, path: Path, what: str) -> tuple[int, int]:
    try:
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as header:
            width, height = header.size
    except Exception:  # hostile bytes make it raise nearly anything
        raise _not_an_image(path, what) from None
    if width * height > MAX_PIXELS:
        raise InputError(f"{path}: the {what} claims {width}x{height} px, more than {MAX_PIXELS}; cut it up before")
    return height, width


def _not_an_image(path: Path, what: str) -> InputError:
    return InputError(f"{path}: the {what} is truncated or not an image; replace or remove it (dataset.root)")


def _has_end(data: bytes) -> bool:
    """Return whether a JPEG or PNG has its end mark; other formats are left to the decoder.

    Some decoders fill what is missing with grey instead of failing. The end mark of a JPEG must come after its last
    scan, because a preview inside the file's head has marks of its own; pixel data never hold either mark.
    """
    if data.startswith(_JPEG):
        return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)
    return not data.startswith(_PNG) or _PNG_END in data[-64:]
