"""Reading mask files: which pixels are defect, in any of the ways in which tools write that down.

    two values, one of them 0       the other one is defect, whatever it is: 1, 100, 255, 65535
    class numbers, 0 to 31          every number but 0 is a kind of defect
    grey, with smoothed edges       defect above half of the brightest value: above 127 of 255, above 32767 of 65535
    JPEG, lossy WebP                likewise, since they blur small numbers
    palette                         by colour number if number 0 is black, as label tools write them, else by colour
    one or several colours on black by the largest channel of a pixel
    transparency that varies        the opacity, if the colours do not contradict it

What fits none of these is refused with the values found, because a wrong guess gives wrong labels without a word:
several grey levels with areas of their own in the middle of the range, a photograph, a mask without any 0, and a mask
that marks most of the picture's border, as an inverted one does (of 4,858 masks of two published data sets none marks
more than 51% of its border). `dataset.masks` then says how they are to be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from stages.datasets.formats import open_header
from stages.datasets.images import FileHeader, damaged, open_file
from stages.datasets.orientation import upright
from stages.datasets.settings import MaskValues
from stages.runtime.errors import InputError

DEFECT, UNCLEAR = 255, 64  # in a derived mask; 64: a box without visible change, neither defect nor good

MAX_CLASS = 31  # label tools number classes from 1; data sets of defects have a few
MAX_BETWEEN = 0.1  # share of a photograph between a quarter and three quarters of the range is above that
MIN_PART_PX = 9  # of a faint part that may be a defect; smaller ones are specks, of which published masks have some
MAX_BORDER = 2 / 3  # share of a picture's border that a mask may mark


@dataclass(frozen=True)
class MaskFile:
    """A mask as read: H W bool, upright by its own EXIF tag; that tag; and in words what its values were taken for."""

    pixels: np.ndarray
    orientation: int
    reading: str


def read_mask(path: Path, masks: MaskValues = "auto") -> MaskFile:
    """Read a mask file; True is defect.

    Args:
        path: the file.
        masks: auto: see above | bright: above half of the range | nonzero: all but 0 | dark: not above half.

    Raises:
        InputError: the file is missing, truncated or no image, or (auto) its values may mean different things.
    """
    header, opened = _open(path)
    grey, alpha = _channels(opened, path)
    if alpha is None:
        mask, reading = _defect(grey, header.lossy, masks, path)
    else:
        mask, reading = _defect(alpha, header.lossy, masks, path)
        painted, _ = _defect(np.where(alpha > 0, grey, 0), header.lossy, masks, path)
        if painted.any() and _differ(painted, mask):
            raise InputError(f"{path}: transparency and colours mark different pixels; save it without transparency")
        reading = f"opacity, {reading}"
    if masks == "auto" and (share := _border_share(mask)) > MAX_BORDER:
        raise InputError(
            f"{path}: the mask marks {100 * share:.0f}% of the picture's border as defect ({reading}), as an inverted "
            "one does; set dataset.masks to dark if defects are black, to bright or nonzero if it is right"
        )
    # The opener turns a TIFF itself.
    orientation = 1 if opened.format == "TIFF" else header.orientation
    return MaskFile(upright(mask, orientation), header.orientation, reading)


def read_class_numbers(path: Path, kinds: Sequence[str]) -> tuple[np.ndarray, int]:
    """Return the values of a mask whose values 1, 2, ... stand for kinds of defect, and its EXIF orientation.

    Args:
        path: an 8-bit grey or palette picture without loss.
        kinds: what the values from 1 on stand for; 0 is no defect.

    Returns:
        H W uint8, upright by its own EXIF tag, of values up to the number of kinds.

    Raises:
        InputError: the file is missing, truncated or no such picture, or has a value that stands for nothing.
    """
    header, opened = _open(path)
    if opened.mode not in ("L", "P") or header.lossy:
        raise InputError(
            f"{path}: the mask is no 8-bit picture of class numbers without loss; save it as PNG (dataset.root)"
        )
    numbers = np.asarray(opened)
    if (highest := int(numbers.max())) > len(kinds):
        known = ", ".join(f"{number} {kind}" for number, kind in enumerate(kinds, 1))
        raise InputError(f"{path}: the mask has the value {highest}, which stands for nothing ({known}); correct it")
    orientation = 1 if opened.format == "TIFF" else header.orientation  # the opener turns a TIFF itself
    return upright(numbers, orientation), header.orientation


def _open(path: Path) -> tuple[FileHeader, PIL.Image.Image]:
    header = open_file(path, "mask")
    try:
        with open_header(header.data) as opened:
            opened.load()
    except Exception:  # hostile bytes make it raise nearly anything
        raise damaged(path, "mask") from None
    return header, opened


def read_derived(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what is defect and what is unclear in a mask that `stages.datasets.templates` made; None: nothing is.

    Raises:
        InputError: the file is missing or truncated.
    """
    header = open_file(path, "mask")
    grey = cv2.imdecode(np.frombuffer(header.data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise damaged(path, "mask")
    unclear = np.asarray(grey == UNCLEAR)
    return np.asarray(grey == DEFECT), unclear if unclear.any() else None


def _channels(opened: PIL.Image.Image, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a mask, H W uint8 or uint16, and its opacity where that varies."""
    if opened.mode == "P":
        return _of_palette(opened), None
    if opened.mode in ("1", "L", "RGB"):
        return _largest(np.asarray(opened)), None
    if opened.mode in ("LA", "RGBA"):
        values = np.asarray(opened)
        alpha = values[..., -1]
        return _largest(values[..., :-1]), None if alpha.min() == alpha.max() else alpha
    if opened.mode.startswith("I"):
        values = np.asarray(opened)
        if values.min() >= 0 and values.max() < 2**16:
            return values.astype(np.uint16), None
    raise InputError(f"{path}: the mask has {opened.mode} pixels; save it as 8-bit grey, 255 for defect (dataset.root)")


def _of_palette(opened: PIL.Image.Image) -> np.ndarray:
    numbers = np.asarray(opened)
    used = np.unique(numbers)
    colours = np.array(opened.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    if len(colours) <= used[-1]:
        return numbers
    shown = colours[used]
    grey = (shown == shown[:, :1]).all()
    # Colours are names of classes here, unless they are greys of different brightness, or number 0 is none of them.
    if (grey and len(np.unique(shown[:, 0])) == len(used)) or colours[0].any():
        return colours.max(axis=1)[numbers]
    return numbers


def _largest(values: np.ndarray) -> np.ndarray:
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    return values if values.ndim == 2 else values.max(axis=-1)


def _defect(values: np.ndarray, lossy: bool, masks: MaskValues, path: Path) -> tuple[np.ndarray, str]:
    """Return which of H W uint8 or uint16 values are defect, and in words how that was decided."""
    bins = 2 ** (8 * values.itemsize)
    levels = np.flatnonzero(cv2.calcHist([np.ascontiguousarray(values)], [0], None, [bins], [0, bins]))
    lowest, highest = int(levels[0]), int(levels[-1])
    top = 255 if highest <= 255 else 65535
    if masks == "nonzero":
        return values > 0, "all but 0"
    if masks != "auto":
        bright = values > top // 2
        return (bright, f"above {top // 2}") if masks == "bright" else (~bright, f"not above {top // 2}")
    if highest == 0:
        return values > 0, "all 0"
    if not lossy and len(levels) == 1:
        return values > 0, f"{highest} everywhere"
    if not lossy and lowest == 0 and (highest <= MAX_CLASS or len(levels) == 2):
        return values > 0, f"0 and {highest}" if highest > MAX_CLASS else "class numbers, all but 0 defect"
    if lossy and highest <= MAX_CLASS:
        return values > top // 2, f"0 to {highest}"
    if trouble := _trouble(values, levels, top, lossy):
        raise InputError(
            f"{path}: the mask {trouble}; its values: {_listed(levels)}; save it with 0 and 255, or set dataset.masks "
            "to bright or nonzero"
        )
    return values > highest // 2, f"grey above {highest // 2}"


def _trouble(values: np.ndarray, levels: np.ndarray, top: int, lossy: bool) -> str | None:
    """Return why grey levels are not those of a black and white mask with smoothed edges, or None.

    Smoothing makes values between black and white only along edges: nowhere three pixels in both directions, and
    nowhere clearly grey, but for specks, without a white pixel in the same part.
    """
    highest = int(levels[-1])
    quarter, half = highest // 4, highest // 2
    if levels[0] > quarter or highest <= top // 2:
        return f"is not black and white: {levels[0]} to {highest} of {top}"
    if not lossy and ((levels <= MAX_CLASS) | (levels == top)).all():
        return f"holds class numbers and {top}, which may stand for a class or for unclear"
    square = np.ones((3, 3), np.uint8)
    flat = cv2.erode(values, square) == cv2.dilate(values, square)
    low, high = (top // 8, top - top // 8) if lossy else (0, top)  # JPEG makes black areas of 1 or 2
    if (flat & (values > low) & (values < high)).any():
        return "has areas of a grey of their own, as classes have"
    between = (values > quarter) & (values < highest - quarter)
    if between.mean() > MAX_BETWEEN:
        return f"is a photograph or a heatmap: {100 * between.mean():.0f}% of it is neither black nor white"
    count, parts, areas, _ = cv2.connectedComponentsWithStats((values > quarter).astype(np.uint8), connectivity=8)
    faint = np.setdiff1d(np.arange(1, count), parts[values > half])
    if (areas[faint, cv2.CC_STAT_AREA] >= MIN_PART_PX).any():
        return f"has parts that are neither black nor anywhere above {half}"
    return None


def _differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two masks differ by more than the edges of what they share."""
    near = cv2.dilate((one & other).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return bool(((one ^ other) & ~near).any())


def _border_share(mask: np.ndarray) -> float:
    return float(np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]]).mean())


def _listed(levels: np.ndarray) -> str:
    first = ", ".join(str(level) for level in levels[:6])
    return first if len(levels) <= 6 else f"{first} and {len(levels) - 6} more up to {levels[-1]}"
