"""The weighting game: shares, undefined cases."""

import numpy as np

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.weighting import weighting_game


def test_weighting_game_counts_positive_relevance_only():
    truth = np.zeros((4, 2, 2), bool)
    truth[:3, 0, 0] = True
    heatmaps = np.array([[[3, 1], [-9, 0]], [[2, 2], [2, 2]], [[-1, -2], [0, 0]], [[3, 1], [0, 0]]], np.float32)
    # 3 of 4; a constant map; nothing positive; no truth
    found = weighting_game(EnlargedMaps(heatmaps, 2), TruePixels(truth))
    np.testing.assert_array_equal(found, [0.75, np.nan, np.nan, np.nan])
