"""False alarms: how much of a good tile lights up, and how many good tiles show any region."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import upsample
from stages.metrics.thesis import scale_to_255

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def lit_regions(
    maps: Floats,
    shown: Bools,
    levels: Floats,
    px: int,
    cell_px: float | None = None,
    offset_px: float = 0.0,
) -> NDArray[np.int64]:
    """Measure what is predicted on a few tiles under one setting.

    Args:
        maps: (n, h, w) heatmaps at native resolution.
        shown: (n,) the probability of a defect is above its threshold; others are black and cost nothing.
        levels: (n,) what the heatmap, scaled to 0..255, must be above (`Thresholded.levels`, or 127).
        px, cell_px, offset_px: see `stages.metrics.geometry`.

    Returns:
        (n, 2): predicted pixels, pixels of the largest 8-connected region; both 0 for a black tile.
    """
    measured = np.zeros((len(maps), 2), np.int64)
    rows = np.flatnonzero(shown)
    if not rows.size:
        return measured
    native = maps[rows]
    varied = native.min(axis=(1, 2)) < native.max(axis=(1, 2))
    scaled = scale_to_255(upsample(native, px, cell_px, offset_px))
    masks = (scaled > np.asarray(levels)[rows, None, None]) & varied[:, None, None]
    for row, mask in zip(rows, masks, strict=True):
        statistics = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[2]
        areas = statistics[1:, cv2.CC_STAT_AREA]
        measured[row] = areas.sum(), areas.max(initial=0)
    return measured


def false_alarms(regions: NDArray[np.integer], area_px: int, min_region_px: int) -> dict[str, float]:
    """Summarise `lit_regions` of good tiles.

    Args:
        regions: (n, 2) of good tiles only.
        area_px: pixels of a tile.
        min_region_px: what counts as a large region.

    Returns:
        `lit_fraction` of all their pixels, and the shares of tiles with any region and with one of at least
        `min_region_px`: 0..1, NaN where there is no good tile; and the count `good_tiles`.
    """
    count = len(regions)

    def share(values: NDArray) -> float:
        return float(values.mean()) if count else math.nan

    return {
        "lit_fraction": share(regions[:, 0] / area_px),
        "tiles_with_region": share(regions[:, 1] > 0),
        "tiles_with_large_region": share(regions[:, 1] >= max(min_region_px, 1)),
        "good_tiles": count,
    }
