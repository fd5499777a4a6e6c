"""Filling outlines: which pixels they mark."""

from collections.abc import Sequence

import cv2
import numpy as np

from stages.datasets.images import Bitmap


def fill(
    outlines: Sequence[Sequence[tuple[float, float]]], height: int, width: int, bitmaps: Sequence[Bitmap] = ()
) -> np.ndarray:
    """Return H W bool: the pixels of the bitmaps, and those whose centre is inside an outline by the even-odd rule.

    An outline so thin that it holds no centre marks the pixels that it runs through. Each one, (x, y) corners in
    pixels, is filled on its own, so overlaps add up.
    """
    mask = np.zeros((height, width), bool)
    for outline in outlines:
        corners = np.array(outline)
        left, top = np.floor(corners.min(axis=0)).astype(int)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int)
        inside = _inside(corners - (left, top), bottom - top, right - left)
        mask[top:bottom, left:right] |= inside
        if not inside.any():  # a crack drawn as a hair: the pixels that it runs through
            line = np.zeros((height, width), np.uint8)
            ends = np.minimum(corners.astype(np.int32), (width - 1, height - 1))
            mask |= cv2.polylines(line, [ends], isClosed=True, color=1).astype(bool)
    for bitmap in bitmaps:
        packed = np.frombuffer(bitmap.bits, np.uint8).reshape(bitmap.height, -1)
        place = np.s_[bitmap.y : bitmap.y + bitmap.height, bitmap.x : bitmap.x + bitmap.width]
        mask[place] |= np.unpackbits(packed, axis=1, count=bitmap.width).view(bool)
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
