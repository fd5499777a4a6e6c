"""Shapes as labelme and X-AnyLabeling write them into JSON -> outlines and regions in pixels.

| shape_type | points | becomes |
|---|---|---|
| polygon | three corners or more | the outline |
| rectangle | two opposite corners, or four | the upright rectangle |
| rotation, oriented_rectangle, quadrilateral | four corners | the outline |
| circle | centre and a point on it | a polygon whose edges stay within 1/16 px of it |
| mask | upper left and lower right pixel, and a PNG in base64 | the region |

What has no area (point, line, linestrip ...) is refused by its name.
"""

import base64
import binascii
import io
import math
from typing import Any

import numpy as np
import PIL.Image

from stages.datasets.images import Bitmap
from stages.datasets.marks import Corners, check_inside
from stages.datasets.rasters import bitmap_of
from stages.runtime.errors import InputError

CIRCLE_ERROR_PX = 1 / 16  # how far the polygon that stands for a circle may lie inside it
FOUR_CORNERS = ("rotation", "oriented_rectangle", "quadrilateral")
KINDS = ("polygon", "rectangle", "circle", *FOUR_CORNERS)


def outlines_of(value: Any, kind: Any, key: str, shape: tuple[int, int], where: str) -> list[Corners]:
    """Return the outlines of one shape, (x, y) corners at most a pixel outside the image.

    Args:
        value: pairs [x, y], one flat list x, y, x, y ..., or a list of flat lists (several outlines of one defect).
        kind: one of KINDS.
        key: what the file calls `value`, for messages.
        shape: (height, width) of the image.
        where: file and shape, for messages.

    Raises:
        InputError: the shape is of another kind, its points are wrong, or one lies outside the image.
    """
    if kind not in KINDS:
        raise InputError(
            f"{where} is a {ascii(kind)[:40]}, which has no area here; draw a polygon, rectangle, circle or mask"
        )
    wrong = InputError(f"{where}: {key} are not the corners of a {kind}; correct the shape")
    if not isinstance(value, list) or not value:
        raise wrong
    if all(isinstance(part, list) and len(part) == 2 for part in value):
        parts = [[number for pair in value for number in pair]]
    else:
        parts = value if isinstance(value[0], list) else [value]
    outlines = [_pairs(part, wrong) for part in parts]
    check_inside((corner for corners in outlines for corner in corners), shape, where)
    if any(len(set(corners)) == 1 for corners in outlines):
        raise InputError(f"{where}: all its {key} are one, as an accidental click leaves it; remove the shape")
    if kind == "polygon":
        if any(len(corners) < 3 for corners in outlines):
            raise wrong
        return outlines
    if len(outlines) != 1:
        raise wrong
    (corners,) = outlines
    if kind == "circle" and len(corners) == 2:
        return [_circle(*corners)]
    if kind == "rectangle" and len(corners) == 2:
        return [_rectangle(*corners)]
    # Four corners that come back to the first, as a closed outline, are four.
    corners = corners[:-1] if len(corners) == 5 and corners[0] == corners[-1] else corners
    if kind == "circle" or len(corners) != 4 or (kind == "rectangle" and not _is_upright(corners)):
        raise wrong
    return [corners]


def region_of(points: Any, mask: Any, name: str, shape: tuple[int, int], where: str) -> Bitmap:
    """Return the region of a shape of kind mask.

    Its PNG has the extent of its two corners, which are pixels that belong to it; what is not 0 in it is defect.

    Raises:
        InputError: points or PNG are wrong or do not fit together, the region is empty or lies outside the image.
    """
    wrong = InputError(f"{where}: points are not the upper left and lower right corner of a mask; correct the shape")
    if not isinstance(points, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in points):
        raise wrong
    corners = _pairs([number for pair in points for number in pair], wrong)
    if len(corners) != 2:
        raise wrong
    (left, top), (right, bottom) = ((int(x), int(y)) for x, y in corners)
    height, width = bottom - top + 1, right - left + 1
    if left < 0 or top < 0 or right >= shape[1] or bottom >= shape[0]:
        raise InputError(
            f"{where}: its mask covers x {left}..{right}, y {top}..{bottom}, outside the image of {shape[1]}x"
            f"{shape[0]} px; correct it"
        )
    region = bitmap_of(_decode(mask, (height, width), where), left, top, name)
    if region is None:
        raise InputError(f"{where}: its mask is empty; remove the shape")
    return region


def _decode(mask: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """Return the H W bool of a PNG in base64, which must have that shape."""
    if not isinstance(mask, str):
        raise InputError(f"{where} is a mask without a PNG under 'mask'; correct the shape")
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(mask, validate=True)), formats=("PNG",)) as picture:
            found = (picture.height, picture.width)
            pixels = np.asarray(picture) if found == shape else None  # a header may claim anything
    except binascii.Error:
        raise InputError(f"{where}: its mask is not base64; correct the shape") from None
    except Exception:  # hostile bytes make the decoder raise nearly anything
        raise InputError(f"{where}: its mask is not a whole PNG; correct the shape") from None
    if pixels is None:
        raise InputError(
            f"{where}: its mask has {found[1]}x{found[0]} px but its corners say {shape[1]}x{shape[0]} px; correct it"
        )
    if pixels.ndim != 2:
        raise InputError(f"{where}: its mask is a PNG in colour, not of one channel; correct the shape")
    return pixels != 0


def _pairs(numbers: Any, wrong: InputError) -> Corners:
    if not isinstance(numbers, list) or len(numbers) % 2:
        raise wrong
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e9:  # also NaN, 1e400
            raise wrong
    return [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def _rectangle(first: tuple[float, float], second: tuple[float, float]) -> Corners:
    (x, y), (other_x, other_y) = first, second
    return [(x, y), (other_x, y), (other_x, other_y), (x, other_y)]


def _is_upright(corners: Corners) -> bool:
    """Return whether four corners are those of an upright rectangle, one after the other."""
    first, second, third, fourth = corners
    one_way = first[1] == second[1] and second[0] == third[0] and third[1] == fourth[1] and fourth[0] == first[0]
    other_way = first[0] == second[0] and second[1] == third[1] and third[0] == fourth[0] and fourth[1] == first[1]
    return one_way or other_way


def _circle(centre: tuple[float, float], point: tuple[float, float]) -> Corners:
    radius = math.dist(centre, point)
    # An edge over an angle of 2 pi / n lies at most radius * (1 - cos(pi / n)) inside the circle.
    n = max(8, math.ceil(math.pi / math.acos(1 - CIRCLE_ERROR_PX / max(radius, 1.0))))
    angles = (2 * math.pi * k / n for k in range(n))
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]
