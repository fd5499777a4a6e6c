"""What an annotation file says about one image, whatever its format, and the checks that every format shares."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from stages.datasets.images import MAX_PIXELS, Bitmap, Box, Polygon, SourceImage
from stages.runtime.errors import InputError

OUTSIDE_PX = 1.0  # how far a corner may lie outside its image, as a drawn outline does; it is moved to the edge
MAX_CORNERS = 20_000  # of the outlines of one image, which more would take minutes to fill

Corners = list[tuple[float, float]]


@dataclass(frozen=True)
class Marks:
    """Defects of one image.

    Attributes:
        boxes: one for each defect.
        polygons: their exact outlines, where the file has them.
        bitmaps: their exact regions, where the file has them pixel by pixel.
        shape: (height, width) in pixels that the file claims for its image; None when it claims none.
        unread: entries of the file that are not read although they say something about its defects.
    """

    boxes: tuple[Box, ...]
    polygons: tuple[Polygon, ...] = ()
    bitmaps: tuple[Bitmap, ...] = ()
    shape: tuple[int, int] | None = None
    unread: str | None = None

    @property
    def kind(self) -> str:
        """The kind that all defects are of; "" where there are several kinds, or no defect."""
        names = {box.name for box in self.boxes}
        return names.pop() if len(names) == 1 else ""


def marks_of(defects: Iterable[Box | Polygon | Bitmap], shape: tuple[int, int] | None, where: str) -> Marks:
    """Return the marks of an image from its defects, in the order of the file: what has no box gets the one around it.

    Args:
        defects: a box, an outline or a region each.
        shape: see `Marks`.
        where: the image's annotation, for messages.

    Raises:
        InputError: the outlines have more than 20,000 corners.
    """
    defects = list(defects)
    polygons = tuple(defect for defect in defects if isinstance(defect, Polygon))
    if sum(len(polygon.corners) for polygon in polygons) > MAX_CORNERS:
        raise InputError(f"{where}: more than {MAX_CORNERS} corners in one image; simplify its outlines")
    bitmaps = tuple(defect for defect in defects if isinstance(defect, Bitmap))
    boxes = tuple(defect if isinstance(defect, Box) else bounds(defect) for defect in defects)
    return Marks(boxes, polygons, bitmaps, shape)


def with_marks(image: SourceImage, marks: Marks) -> SourceImage:
    """Return the image with the defects that its annotation marks."""
    return replace(
        image, boxes=marks.boxes, polygons=marks.polygons, bitmaps=marks.bitmaps, annotated_shape=marks.shape
    )


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


def polygon_inside(corners: Corners, shape: tuple[int, int], name: str) -> Polygon:
    """Return an outline with its corners moved into an image of (height, width)."""
    height, width = shape
    return Polygon(tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in corners), name)


def box_between(low: tuple[float, float], high: tuple[float, float], shape: tuple[int, int], name: str) -> Box:
    """Return the box between two corners inside an image, its borders at the nearest pixel borders, 1 px at least."""
    height, width = shape
    (x_min, x_max), (y_min, y_max) = (_nearest(low[0], high[0], width), _nearest(low[1], high[1], height))
    return Box(x_min, y_min, x_max, y_max, name)


def bounds(defect: Polygon | Bitmap) -> Box:
    """Return the smallest box of whole pixels around an outline or region, at least one pixel wide and high."""
    if isinstance(defect, Bitmap):
        return Box(defect.x, defect.y, defect.x + defect.width, defect.y + defect.height, defect.name)
    (x_min, x_max), (y_min, y_max) = (_around(axis) for axis in zip(*defect.corners, strict=True))
    return Box(x_min, y_min, x_max, y_max, defect.name)


def _nearest(low: float, high: float, length: int) -> tuple[int, int]:
    first, last = (round(min(max(value, 0.0), float(length))) for value in (low, high))
    if last > first:
        return first, last
    first = min(math.floor(max(low, 0.0)), length - 1)
    return first, first + 1


def _around(values: tuple[float, ...]) -> tuple[int, int]:
    low, high = math.floor(min(values)), math.ceil(max(values))
    return (low, high) if high > low else (max(high - 1, 0), max(high, 1))
