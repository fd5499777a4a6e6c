"""What an annotation file says about one image, whatever its format, and the checks that every format shares."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stages.datasets.images import MAX_PIXELS, Bitmap, Box, Polygon
from stages.runtime.errors import InputError

OUTSIDE_PX = 1.0  # how far a corner may lie outside its image, as a drawn outline does; it is moved to the edge
MAX_CORNERS = 20_000  # of the outlines of one image

Corners = list[tuple[float, float]]


@dataclass(frozen=True)
class Marks:
    """Defects of one image.

    Attributes:
        boxes: one for each defect.
        polygons: their exact outlines, where the file has them.
        bitmaps: their exact regions, where the file has them pixel by pixel.
        shape: (height, width) in pixels that the file claims for its image; None when it claims none.
        exact: every defect has an outline or a region.
        unread: entries of the file that are not read although they say something about its defects.
    """

    boxes: tuple[Box, ...]
    polygons: tuple[Polygon, ...] = ()
    bitmaps: tuple[Bitmap, ...] = ()
    shape: tuple[int, int] | None = None
    exact: bool = False
    unread: str | None = None


def claimed_shape(height: object, width: object) -> tuple[int, int] | None:
    """Return the (height, width) that an annotation claims for its image; None where it claims none (null).

    Raises:
        ValueError: a side is not a whole number above 0, or there are more pixels than any image may have.
    """
    sides = []
    for value in (height, width):
        if value is None:
            return None
        whole = not isinstance(value, bool) and isinstance(value, int | float) and value == value and value % 1 == 0
        if not whole or not 0 < value < MAX_PIXELS:  # type: ignore[operator]
            raise ValueError(f"{str(value)[:20]!r} is not a number of pixels")
        sides.append(int(value))  # type: ignore[call-overload]
    if sides[0] * sides[1] > MAX_PIXELS:
        raise ValueError(f"{sides[1]}x{sides[0]} px are more than {MAX_PIXELS}")
    return sides[0], sides[1]


def check_inside(corners: Iterable[tuple[float, float]], shape: tuple[int, int], where: str) -> None:
    """Check that corners lie in an image of (height, width), or at most a pixel outside.

    Raises:
        InputError: one does not; the message names it.
    """
    height, width = shape
    for x, y in corners:
        if not (-OUTSIDE_PX <= x <= width + OUTSIDE_PX and -OUTSIDE_PX <= y <= height + OUTSIDE_PX):
            raise InputError(f"{where}: corner {x:g}, {y:g} is outside the image of {width}x{height} px; correct it")


def check_corners(polygons: Iterable[Polygon], where: str) -> None:
    """Check that the outlines of an image have no more than 20,000 corners, which would take minutes to fill.

    Raises:
        InputError: they have more.
    """
    if sum(len(polygon.corners) for polygon in polygons) > MAX_CORNERS:
        raise InputError(f"{where}: more than {MAX_CORNERS} corners in one image; simplify its outlines")


def clip(corners: Corners, shape: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """Return the corners moved into an image of (height, width)."""
    height, width = shape
    return tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in corners)


def box_between(low: tuple[float, float], high: tuple[float, float], shape: tuple[int, int], name: str) -> Box:
    """Return the box between two corners inside an image, its borders at the nearest pixel borders, 1 px at least."""
    height, width = shape
    (x_min, x_max), (y_min, y_max) = (_nearest(low[0], high[0], width), _nearest(low[1], high[1], height))
    return Box(x_min, y_min, x_max, y_max, name)


def bounds(polygon: Polygon) -> Box:
    """Return the smallest box of whole pixels around a polygon, at least one pixel wide and high."""
    (x_min, x_max), (y_min, y_max) = (_around(axis) for axis in zip(*polygon.corners, strict=True))
    return Box(x_min, y_min, x_max, y_max, polygon.name)


def bitmap_of(mask: np.ndarray, x: int, y: int, name: str) -> tuple[Bitmap, Box] | None:
    """Return a region and the box around it from an H W bool mask that lies at (x, y); None where it is empty."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    (top, bottom), (left, right) = (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
    bits = np.packbits(mask[top:bottom, left:right], axis=1).tobytes()
    bitmap = Bitmap(x + left, y + top, right - left, bottom - top, bits, name)
    return bitmap, Box(x + left, y + top, x + right, y + bottom, name)


def _nearest(low: float, high: float, length: int) -> tuple[int, int]:
    first, last = (round(min(max(value, 0.0), float(length))) for value in (low, high))
    if last > first:
        return first, last
    first = min(math.floor(max(low, 0.0)), length - 1)
    return first, first + 1


def _around(values: tuple[float, ...]) -> tuple[int, int]:
    low, high = math.floor(min(values)), math.ceil(max(values))
    return (low, high) if high > low else (max(high - 1, 0), max(high, 1))
