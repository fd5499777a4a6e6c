"""The weighting game: how much of the relevance is inside the truth?"""

import math

import numpy as np
from numpy.typing import NDArray

from stages.metrics.enlarged import EnlargedMaps, TruePixels


def weighting_game(maps: EnlargedMaps, truth: TruePixels) -> NDArray[np.float64]:
    """Return the share of positive relevance that lies inside the truth (Raatikainen & Rahtu 2022, weighting game).

        sum_(p in truth) max(v_p, 0) / sum_p max(v_p, 0)

    Negative relevance speaks against the class and counts as none.

    Args:
        maps, truth: of the same b tiles.

    Returns:
        (b,) 0..1; NaN where there is no truth pixel, no positive relevance, or a constant heatmap.

    >>> maps = EnlargedMaps(np.array([[[3.0, 1.0], [-9.0, 0.0]]]), 2)
    >>> weighting_game(maps, TruePixels(np.array([[[1, 0], [0, 0]]], bool))).tolist()
    [0.75]
    """
    inside = truth.sums(np.maximum(maps.raw.reshape(-1)[truth.pixels], 0))
    share = np.full(len(inside), math.nan)
    np.divide(inside, maps.positive, out=share, where=(maps.positive > 0) & (truth.area_px > 0) & maps.varied)
    return np.minimum(share, 1)  # the two sums are rounded differently
