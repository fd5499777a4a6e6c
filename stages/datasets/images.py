"""Source images: what a reader says about each one, and how its pixels and its mask are decoded."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.runtime.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
MASK_THRESHOLD = 127  # grey values at mask edges come from smoothing or JPEG; above this a pixel is defect

_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG", b"IEND"


@dataclass(frozen=True)
class Box:
    """An annotated rectangle in source pixels, half-open: [x_min, x_max) x [y_min, y_max)."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int
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
        mask: exact mask, grey, above 127 is defect; None with `has_mask` means that nothing is defective.
        has_mask: the data set has exact masks.
        annotated_shape: (height, width) that the annotation claims; None when it claims none.
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


def read_image(path: Path) -> np.ndarray:
    """Return the pixels as stored, H W 3 uint8 RGB; grey becomes three equal channels, 16 bits become 8.

    A rotation tag is ignored: annotations and masks refer to the pixels as stored.

    Raises:
        InputError: the file is missing, truncated or not an image.
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


def _decode(path: Path, colour: int, what: str) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the {what} cannot be read ({error.strerror or error}); check dataset.root") from None
    pixels = None
    if data and _has_end(data):
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), colour | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error:  # e.g. a header that claims more pixels than the decoder allows
            pixels = None
    if pixels is None:
        raise InputError(
            f"{path}: the {what} is truncated or not an image; replace or remove it (dataset.root)"
        ) from None
    return np.asarray(pixels)


def _has_end(data: bytes) -> bool:
    """Return whether a JPEG or PNG has its end mark; other formats are left to the decoder.

    Some decoders fill what is missing with grey instead of failing. The end mark of a JPEG must come after its last
    scan, because a preview inside the file's head has marks of its own; pixel data never hold either mark.
    """
    if data.startswith(_JPEG):
        return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)
    return not data.startswith(_PNG) or _PNG_END in data[-64:]
