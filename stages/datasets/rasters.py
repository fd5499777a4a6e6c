"""Regions pixel by pixel: filled outlines, bitmaps, and the run-length codes of COCO."""

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


def bitmap_of(mask: np.ndarray, x: int, y: int, name: str) -> Bitmap | None:
    """Return the region of an H W bool mask that lies at (x, y), as small as it can be; None where it is empty."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    (top, bottom), (left, right) = (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
    bits = np.packbits(mask[top:bottom, left:right], axis=1).tobytes()
    return Bitmap(x + left, y + top, right - left, bottom - top, bits, name)


def run_lengths(text: str) -> list[int]:
    """Return the run lengths that COCO's text code stands for.

    Every number (from the fourth on, less the number two before it) is written in pieces of five bits, the lowest
    first, each with a bit that says whether more follow, as the letter 48 above it.

    Raises:
        ValueError: a letter is not one of the code's, or the text ends within a number.
    """
    lengths: list[int] = []
    number, shift = 0, 0
    for letter in text:
        piece = ord(letter) - 48
        if not 0 <= piece < 64 or shift > 30:
            raise ValueError(f"{letter!r} is not in the code")
        number |= (piece & 31) << shift
        shift += 5
        if piece & 32:
            continue
        if piece & 16:  # negative
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number, shift = 0, 0
    if shift:
        raise ValueError("ends within a number")
    return lengths


def mask_of_runs(lengths: Sequence[int], height: int, width: int) -> np.ndarray:
    """Return the mask, H W bool, whose runs of 0 and 1 in turn, column by column and 0 first, have these lengths.

    Raises:
        ValueError: a length is below 0, or all together are not height x width.
    """
    pixels = height * width
    if any(not 0 <= length <= pixels for length in lengths) or sum(lengths) != pixels:
        raise ValueError(f"they cover {sum(lengths)} of {pixels} pixels, or one is below 0")
    runs = np.asarray(lengths, np.int64)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T
