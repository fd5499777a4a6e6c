"""Scores of several explanations on the same clusters of tiles, and how sure their ranks are: by hand."""

import math

import numpy as np
import pytest

from stages.metrics.intervals import Jackknife
from stages.ranking.estimates import Estimates, estimate, rank_certainty
from tests.ranking.small_scores import draws, scores_of


def test_rows_share_their_resamples_and_seeds_are_averaged():
    result = estimate(scores_of([(1, 0)], [(0, 0), (1, 1)]), np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert result.values[:, 0].tolist() == [0.5, 0.5]
    assert result.scores.without[:, :, 0].tolist() == [[0, 0.5], [1, 0.5]]
    assert result.resampled[:, :, 0].tolist() == [[0.5, 0.5], [1.0, 0.5]]
    assert math.isnan(result.between_seeds[0, 0])
    assert result.between_seeds[1, 0] == pytest.approx(math.sqrt(0.5))
    assert result.clusters == 2


def test_certainty_of_ranks_by_hand():
    # two metrics; row 0 is first in both, then in one, then in none; ties go by the first metric
    resampled = np.array([[[0.9, 0.9], [0.1, 0.1]], [[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.1], [0.9, 0.9]]])
    every = np.full((5, 2, 2), 0.2)
    certainty = rank_certainty(Estimates(Jackknife(every[0], every, every), resampled, every[0]), [0, 1])
    assert certainty.best.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert certainty.low[0] == pytest.approx(1 + 0.05 * 0.5)  # of 1, 1.5, 2
    assert certainty.high[0] == pytest.approx(2 - 0.05 * 0.5)


def test_with_few_clusters_no_rank_is_certain():
    for count in (1, 4, 5):
        certainty = rank_certainty(
            estimate(scores_of([np.ones(40)], clusters=np.arange(40) % count), draws(count)), [0]
        )
        assert np.isnan([certainty.low, certainty.high, certainty.best]).all() == (count < 5)
