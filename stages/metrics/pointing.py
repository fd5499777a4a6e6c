"""The pointing game and the weighting game: is the peak, and how much of the relevance, inside the truth?"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import centre_pixels

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def pointing_hits(
    maps: Floats, truth: Bools, cell_px: float | None = None, offset_px: float = 0.0, tolerance_px: float = 0.0
) -> NDArray[np.float64]:
    """Play the pointing game (2.8) on each tile: is the centre of the heatmap's highest cell inside the truth?

    Bilinear enlargement has its maximum at the centre of the highest cell, except along the border, where it repeats
    the cell's value to the edge: the centre is what the heatmap points at. Of equal cells the first in reading order
    counts. The prediction does not gate it.

    Args:
        maps: (n, h, w) heatmaps at native resolution.
        truth: (n, H, W) true where there is a defect.
        cell_px, offset_px: see `stages.metrics.geometry`; centres beyond the tile count as its edge.
        tolerance_px: a centre this close to a true pixel's centre still hits; 0 as in the thesis, 15 in Zhang et al.
            2018 (Top-down neural attention by excitation backprop).

    Returns:
        (n,) 1 for a hit, 0 for a miss, NaN where it cannot be played: no truth pixel, or a constant heatmap.
    """
    distance = truth_distance_px(truth) if tolerance_px > 0 else np.where(truth, np.float32(0), np.float32(np.inf))
    hits = pointed_distance_px(maps, distance, cell_px, offset_px) <= tolerance_px
    return np.where(truth.any(axis=(1, 2)) & ~is_constant(maps), hits.astype(np.float64), math.nan)


def pointed_distance_px(
    maps: Floats, distance: Floats, cell_px: float | None = None, offset_px: float = 0.0
) -> NDArray[np.float64]:
    """Look up `distance` (n, H, W), e.g. of `truth_distance_px`, at the centre of each heatmap's highest cell: (n,)."""
    height, width = maps.shape[1:]
    rows, columns = np.unravel_index(maps.reshape(len(maps), -1).argmax(axis=1), (height, width))
    y = centre_pixels(rows, height, distance.shape[1], cell_px, offset_px)
    x = centre_pixels(columns, width, distance.shape[2], cell_px, offset_px)
    return distance[np.arange(len(maps)), y, x].astype(np.float64)


def truth_distance_px(truth: Bools) -> NDArray[np.float32]:
    """Return each pixel's Euclidean distance to the nearest true pixel: (n, H, W), 0 inside, infinite without truth."""
    distance = np.full(truth.shape, np.inf, np.float32)
    for place in np.flatnonzero(truth.any(axis=(1, 2))):
        outside = (~truth[place]).view(np.uint8)
        distance[place] = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance


def is_constant(maps: Floats) -> Bools:
    """Return (n,) true where a heatmap (n, h, w) has one value everywhere and so points nowhere."""
    flat = maps.reshape(len(maps), -1)
    constant: Bools = flat.min(axis=1) == flat.max(axis=1)
    return constant


def weighting_game(heatmaps: Floats, truth: Bools) -> NDArray[np.float64]:
    """Return the share of positive relevance that lies inside the truth (Raatikainen & Rahtu 2022, weighting game).

        sum_(p in truth) max(v_p, 0) / sum_p max(v_p, 0)

    Args:
        heatmaps: (n, H, W) raw heatmaps at tile size; negative relevance speaks against the class and counts as none.
        truth: (n, H, W).

    Returns:
        (n,) 0..1; NaN where there is no truth pixel, no positive relevance, or a constant heatmap.
    """
    positive = np.maximum(heatmaps, 0, dtype=np.float64).reshape(len(heatmaps), -1)
    inside = np.where(truth.reshape(len(truth), -1), positive, 0)
    defined = truth.any(axis=(1, 2)) & ~is_constant(heatmaps)
    return weighting_share(inside.sum(axis=1), positive.sum(axis=1), defined)


def weighting_share(inside: Floats, total: Floats, defined: Bools) -> NDArray[np.float64]:
    """Divide relevance inside the truth by all positive relevance; NaN where that is 0 or the game is not defined."""
    share = np.full(np.shape(inside), math.nan)
    np.divide(inside, total, out=share, where=(total > 0) & defined)
    return np.minimum(share, 1)  # the two sums are rounded differently
