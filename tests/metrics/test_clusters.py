"""Ratios of sums over clusters of tiles, by hand; scores of an explanation: tests/ranking/test_cluster_scores.py."""

import math

import numpy as np

from stages.metrics.clusters import ratio_parts, tile_sums


def test_any_other_name_is_a_mean_of_its_column():
    above, below = tile_sums("gain", {"gain": np.array([0.5, math.nan, 1.0])})
    assert (above.tolist(), below.tolist()) == ([0.5, 0.0, 1.0], [1.0, 0.0, 1.0])


def test_a_ratio_over_clusters_is_that_of_the_sums_of_their_tiles():
    parts = ratio_parts(["b", "a", "b"], [1, 2, 4], [2, 8, 6])
    assert parts.names.tolist() == ["a", "b"]
    assert (parts.value, parts.weights.tolist()) == (7 / 16, [8, 8])
    assert parts.without_each().tolist() == [5 / 8, 2 / 8]
    np.testing.assert_array_equal(parts.scores([[2, 1], [0, 0]]), [9 / 24, math.nan])
