"""The truth of a tile, pixel by pixel, from that of its window in the source image."""

import cv2
import numpy as np

HALF = 0.499  # of the fullest pixel of a thin defect; not 0.5, so that rounding does not part two that are equal


def truth_tile(part: np.ndarray, px: int) -> np.ndarray:
    """Return the truth of a window as px x px bool.

    A window of px x px is taken as it is. Of another one a pixel is defect when at least half of its area is. By that
    alone a defect that is thinner than half a tile pixel would vanish, and a heatmap that finds it would count as
    wrong; so of a connected defect of which no pixel is left, those pixels are marked that hold at least half as much
    of it as its fullest one: a scratch stays a line, one or two pixels wide.

    Args:
        part: h w bool.
        px: side of the tile.
    """
    if part.shape == (px, px):
        return part
    grey = part.astype(np.uint8)
    kept = _resized(grey * 255, px) > 127
    lost = _without(grey, kept)
    if lost is None:
        return kept
    share = _resized(lost, px)
    count, parts = cv2.connectedComponents((share > 0).astype(np.uint8), connectivity=8)
    fullest = np.zeros(count, np.float32)
    np.maximum.at(fullest, parts.ravel(), share.ravel())
    return kept | ((share > 0) & (share >= HALF * fullest[parts]))


def _resized(part: np.ndarray, px: int) -> np.ndarray:
    """Return h w values as px x px: sides that shrink first, by area, because both at once would only be sampled."""
    height, width = part.shape
    part = cv2.resize(part, (min(px, width), min(px, height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(part, (px, px), interpolation=cv2.INTER_LINEAR))


def _without(grey: np.ndarray, kept: np.ndarray) -> np.ndarray | None:
    """Return the connected defects of a window that no pixel of its tile stands for, h w float32 0 or 1, or None."""
    height, width = grey.shape
    count, parts = cv2.connectedComponents(grey, connectivity=8)
    if count == 1:
        return None
    px = len(kept)
    found = np.zeros(count, bool)
    # Where a side shrinks every pixel of the window lies in one of the tile, where it grows the other way round.
    rows, columns = np.arange(height) * px // height, np.arange(width) * px // width
    found[parts[kept[rows][:, columns]]] = True
    rows, columns = np.arange(px) * height // px, np.arange(px) * width // px
    found[parts[rows][:, columns][kept]] = True
    found[0] = True  # what is not defect
    return None if found.all() else (~found[parts]).astype(np.float32)


def pack(truths: list[np.ndarray], px: int) -> np.ndarray:
    """Return bool truths as one bit a pixel, (n, px, ceil(px / 8)); most are empty."""
    packed = np.zeros((len(truths), px, -(-px // 8)), np.uint8)
    for number, truth in enumerate(truths):
        if truth.any():
            packed[number] = np.packbits(truth, axis=-1)
    return packed
