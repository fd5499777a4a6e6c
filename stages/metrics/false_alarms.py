"""False alarms: how much of a good tile lights up, and how many good tiles show any region."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def lit_regions(scaled: Floats, level: float) -> NDArray[np.int64]:
    """Measure what a threshold lights up on a few tiles.

    Args:
        scaled: (n, px, px) heatmaps, each scaled to 0..255 by its own minimum and maximum.
        level: 0..255; pixels above it are lit.

    Returns:
        (n, 2): lit pixels, pixels of the largest 8-connected region; both 0 for a black tile.

    >>> lit_regions(np.array([[[255.0, 0.0, 255.0], [0.0, 0.0, 255.0]]]), 127).tolist()
    [[3, 2]]
    """
    measured = np.zeros((len(scaled), 2), np.int64)
    for tile, mask in enumerate(scaled > level):
        statistics = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[2]
        areas = statistics[1:, cv2.CC_STAT_AREA]
        measured[tile] = areas.sum(), areas.max(initial=0)
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

    >>> false_alarms(np.array([[6, 2], [0, 0]]), area_px=100, min_region_px=3)
    {'lit_fraction': 0.03, 'tiles_with_region': 0.5, 'tiles_with_large_region': 0.0, 'good_tiles': 2}
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
