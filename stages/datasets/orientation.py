"""Turning what is stored into what is seen: the EXIF orientation, applied to pixels, points and boxes in one place.

A camera held sideways stores the picture as its sensor saw it, and a tag says how to turn it. Every viewer shows the
upright picture, so pixels are always turned here. An annotation may have been drawn on either: labelme and later
versions of labelImg show the upright picture, older tools the stored one.
"""

from typing import Literal

import numpy as np

Frame = Literal["upright", "stored"]


def swaps_sides(orientation: int) -> bool:
    """Return whether the upright picture is as wide as the stored one is high: a quarter turn (5 to 8)."""
    return orientation >= 5


def stored_shape(shape: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return (height, width) as stored of a picture whose upright (height, width) is given; its own inverse."""
    return (shape[1], shape[0]) if swaps_sides(orientation) else shape


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Return an array (H, W, ...) as the tag wants it shown, C-contiguous; the array itself for orientation 1.

    The tag says where the stored row 0 and column 0 are seen (EXIF 2.3): 1 top left, 2 top right, 3 bottom right,
    4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left bottom.
    """
    if orientation == 1:
        return stored
    turned = stored.swapaxes(0, 1) if swaps_sides(orientation) else stored
    if orientation in (3, 4, 7, 8):  # row 0 (or column 0 of a quarter turn) is seen at the bottom
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def upright_point(x: float, y: float, shape: tuple[int, int], orientation: int) -> tuple[float, float]:
    """Return where a point of the stored picture is seen; pixel (i, j) covers x in [j, j + 1), y in [i, i + 1).

    Args:
        x, y: in the stored picture, pixels from its left upper corner.
        shape: (height, width) of the upright picture.
        orientation: the tag.
    """
    height, width = shape
    if swaps_sides(orientation):
        x, y = y, x
    return (
        width - x if orientation in (2, 3, 6, 7) else x,
        height - y if orientation in (3, 4, 7, 8) else y,
    )
