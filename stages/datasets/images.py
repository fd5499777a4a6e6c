"""Source images: what a reader says about each one, and how its pixels are decoded."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import PIL.Image

from stages.datasets.formats import (
    READ,
    READ_NAMES,
    format_of,
    is_lossy,
    is_whole,
    open_header,
    orientation_of,
    trouble_of,
)
from stages.datasets.names import Part
from stages.datasets.orientation import Frame, stored_shape, upright
from stages.datasets.plain_files import read_bytes
from stages.runtime.errors import InputError
from stages.runtime.seeds import derive_seed

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"})
# Pictures that are not read. They are found all the same, so that each is refused by name instead of passed over.
RAW_SUFFIXES = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"})  # some look like a TIFF of a preview
UNREAD_SUFFIXES = RAW_SUFFIXES | frozenset(
    {".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".pgm", ".ppm", ".pbm", ".pnm", ".tga", ".psd", ".exr"}
)
PICTURE_SUFFIXES = IMAGE_SUFFIXES | UNREAD_SUFFIXES
MAX_IMAGE_BYTES = 2**30
MAX_PIXELS = 2**28  # 16,384 x 16,384; decoded, that is 768 MiB
BIG_PIXELS = 2**26  # above that many a picture is decoded in place: otherwise the decoder holds it twice for a moment
NOISE_SEED = derive_seed(0, "not decoded")
GUESSED_BITS = 14  # a 16-bit file whose values need no more may come from a camera of 10, 12 or 14 bits

_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION

PIL.Image.MAX_IMAGE_PIXELS = None  # `open_file` refuses large images itself, by MAX_PIXELS and without a warning


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
        mask: file with the exact mask, see `stages.datasets.mask_files`.
        has_mask: the data set has an exact truth, as mask files or polygons; with neither, nothing here is defective.
        annotated_shape: (height, width) that the annotation claims; None when it claims none.
        polygons: exact outlines of the defects, in place of a mask file.
        bitmaps: exact regions of the defects, in place of a mask file or beside polygons.
        annotation: the file that says where the defects are, if any.
        drawn_on: what the annotation's coordinates refer to where an EXIF tag turns the picture: the upright picture,
            as viewers show it, or the pixels as stored; None where the format does not say.
        derived: the mask was made by `stages.datasets.templates`: of the upright picture, with values of its own.
        mask_kinds: kinds of defect that the values 1, 2, ... of the mask file stand for; none where it only says where.
        template: the same place without defects, another picture file; None where there is none for this image alone.
        some_masked: only some images of the data set have an exact mask beside their boxes; this one or others.
        official: the part that the publisher put the image in, "train", "val" or "test"; None where there are no parts.
    """

    path: Path
    source: str
    group: str
    defect_class: str
    label: Literal["good", "defective"] | None = None
    boxes: tuple[Box, ...] | None = None
    mask: Path | None = None
    has_mask: bool = False
    annotated_shape: tuple[int, int] | None = None
    polygons: tuple[Polygon, ...] = ()
    bitmaps: tuple[Bitmap, ...] = ()
    official: Part | None = None
    annotation: Path | None = None
    drawn_on: Frame | None = None
    derived: bool = False
    mask_kinds: tuple[str, ...] = ()
    template: Path | None = None
    some_masked: bool = False


@dataclass(frozen=True)
class Picture:
    """A decoded image: H W 3 uint8 RGB, upright; the EXIF orientation it was stored with; the bits it was read as."""

    pixels: np.ndarray
    orientation: int
    bits: int


@dataclass(frozen=True)
class FileHeader:
    """What a file says before it is decoded; the shape is that of the upright picture."""

    data: bytes
    shape: tuple[int, int]
    orientation: int
    lossy: bool


def open_image(path: Path, bit_depth: int | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return an image as every viewer shows it: turned upright by its EXIF tag, grey as three equal channels.

    An 8-bit file is taken as it is. Of a 16-bit file with values of b bits, the lowest b - 8 are dropped.

    Args:
        path: the file.
        bit_depth: b (`dataset.bit_depth`), the same for all images, so that their brightness stays comparable. None:
            16, unless the values would fit into 14 bits, as those of most cameras do: then nobody knows.
        max_pixels: a file that claims more is refused before it is decoded.

    Raises:
        InputError: the file is missing, truncated, not an image, larger than `max_pixels`, has several pictures or
            floating-point pixels, or its bits are in doubt or more than `bit_depth`.
    """
    header = open_file(path, "image", max_pixels=max_pixels)
    # The decoder turns a TIFF itself, whatever it is told.
    orientation = 1 if format_of(header.data) == "TIFF" else header.orientation
    stored = _decoded(path, header, stored_shape(header.shape, orientation))
    if stored is None:
        raise damaged(path, "image")
    pixels, bits = _to_8_bits(np.asarray(stored), bit_depth, path)
    return Picture(upright(pixels, orientation), header.orientation, bits)


def _decoded(path: Path, header: FileHeader, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the pixels as stored, (*shape, 3) RGB, or None where the decoder cannot."""
    if shape[0] * shape[1] > BIG_PIXELS and (pixels := _decoded_in_place(path, shape)) is not None:
        return pixels
    try:
        return cv2.imdecode(np.frombuffer(header.data, np.uint8), _FLAGS)
    except cv2.error:
        return None


def _decoded_in_place(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the pixels of an 8-bit picture, decoded into an array made for them, or None.

    Where the decoder does not understand the file it leaves the array as it was, without a word: its first row tells,
    by noise that no picture begins with.
    """
    pixels = np.empty((*shape, 3), np.uint8)
    pixels[0] = noise = np.random.default_rng(NOISE_SEED).integers(0, 256, pixels[0].shape, np.uint8)
    try:
        found = cv2.imread(os.fspath(path), pixels, _FLAGS)
    except cv2.error:  # more bits
        return None
    return None if found is None or np.array_equal(found[0], noise) else found


def read_image(path: Path, bit_depth: int | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return the pixels of `open_image`: H W 3 uint8 RGB, upright.

    Raises:
        InputError: see `open_image`.
    """
    return open_image(path, bit_depth, max_pixels).pixels


def drawn_shape(path: Path, exif: Literal["auto", "upright", "stored"]) -> tuple[int, int]:
    """Return the (height, width) of the picture that an annotation refers to, as its header says.

    `dataset.exif` says which picture that is; in doubt it is the upright one.

    Raises:
        InputError: the file is missing, not an image or claims more than 2^28 pixels.
    """
    header = open_file(path, "image", whole=False)
    return stored_shape(header.shape, header.orientation) if exif == "stored" else header.shape


def open_file(path: Path, what: str, whole: bool = True, max_pixels: int = MAX_PIXELS) -> FileHeader:
    """Read a file and its header; `what` names it in messages ("image", "mask"), `whole` also looks for its end.

    Raises:
        InputError: the file is missing or too large, is no picture of a format that is read, is truncated, has several
            pictures or pixels of which nothing says how bright they are, or claims more than `max_pixels`.
    """
    data = read_bytes(path, what, MAX_IMAGE_BYTES)
    if not data:
        raise InputError(f"{path}: the {what} is empty (0 bytes); replace or remove it (dataset.root)")
    name = "a camera's raw file" if path.suffix.lower() in RAW_SUFFIXES else format_of(data)
    if name not in READ:
        found = f"is {name}, which is not read" if name else "is of no format that is read"
        raise InputError(f"{path}: the {what} {found}; save it as {READ_NAMES}, or remove it (dataset.root)")
    if whole and not is_whole(data):
        raise InputError(f"{path}: the {what} is truncated: its end is missing; replace or remove it (dataset.root)")
    try:
        with open_header(data) as header:
            (width, height), trouble = header.size, trouble_of(header)
            orientation, lossy = orientation_of(data, header), is_lossy(data, header)
    except Exception:  # hostile bytes make it raise nearly anything
        raise damaged(path, what) from None
    if trouble:
        raise InputError(f"{path}: the {what} {trouble}; save it as one 8- or 16-bit picture (dataset.root)")
    if width * height > max_pixels:
        raise InputError(f"{path}: the {what} claims {width}x{height} px, more than {max_pixels}; cut it up before")
    # Only of a TIFF does the header give the size of the upright picture.
    shape = (height, width) if name == "TIFF" else stored_shape((height, width), orientation)
    return FileHeader(data, shape, orientation, lossy)


def damaged(path: Path, what: str) -> InputError:
    """Return the error for a file whose format is known, but which no decoder understands."""
    return InputError(
        f"{path}: the {what} is truncated, damaged or of a rare kind that is not read; replace or remove it "
        "(dataset.root)"
    )


def _to_8_bits(stored: np.ndarray, bit_depth: int | None, path: Path) -> tuple[np.ndarray, int]:
    """Return the pixels as uint8, and how many bits they were taken to have."""
    if stored.dtype == np.uint8:
        return stored, 8
    if stored.dtype != np.uint16:
        raise InputError(f"{path}: the image has {stored.dtype} pixels; save it with 8 or 16 bits (dataset.root)")
    used = int(stored.max()).bit_length()
    if bit_depth is None and 0 < used <= GUESSED_BITS:
        raise InputError(
            f"{path}: a 16-bit file whose values end at {stored.max()}; set dataset.bit_depth to the bits of the "
            "camera (12 for 0 to 4095), the same for all images, or to 16 if this one is only dark"
        )
    bits = bit_depth or 16
    if used > bits:
        raise InputError(
            f"{path}: has values up to {stored.max()}, more than {bits} bits hold; correct dataset.bit_depth"
        )
    return (stored >> (bits - 8)).astype(np.uint8), bits
