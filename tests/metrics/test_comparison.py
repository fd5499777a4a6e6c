"""Scores of several rows on the same resamples, by hand."""

import math

import numpy as np
import pytest

from stages.metrics.comparison import (
    Estimates,
    behind_best,
    contest,
    estimate,
    family_contest,
    rank_certainty,
)
from stages.metrics.intervals import Bootstrap, cluster_bootstrap


def test_rows_share_their_resamples_and_seeds_are_averaged():
    def of(*hits):
        return {"pointing_game": np.array(hits, float)}

    drawn = Bootstrap(np.array([0, 1]), np.array([[1.0, 1.0], [2.0, 0.0]]))
    result = estimate([[of(1, 0)], [of(0, 0), of(1, 1)]], ["pointing_game"], drawn)
    assert result.values[:, 0].tolist() == [0.5, 0.5]
    assert result.resampled[:, :, 0].tolist() == [[0.5, 0.5], [1.0, 0.5]]
    assert math.isnan(result.between_seeds[0, 0])
    assert result.between_seeds[1, 0] == pytest.approx(math.sqrt(0.5))


def test_a_paired_difference_is_surer_than_its_parts():
    rng = np.random.default_rng(1)
    hard = rng.random(60)
    rows = [[{"score": hard + 0.05}], [{"score": hard + 0.01 * rng.random(60)}]]
    result = estimate(rows, ["score"], cluster_bootstrap(np.arange(60), 400, seed=0))
    apart = contest(result, [0], [1], 0)
    assert apart.verdict == "cnn"
    assert contest(result, [1], [0], 0).verdict == "vit"
    assert apart.high - apart.low < 0.1 * np.ptp(np.quantile(result.resampled[:, 0, 0], (0.025, 0.975)))


def test_a_contest_of_families_by_hand():
    values = np.array([[0.6], [0.4], [0.3]])
    resampled = np.array([[[0.6], [0.4], [0.3]], [[0.1], [0.3], [0.5]]])
    estimates = Estimates(values, resampled, np.full((3, 1), math.nan))
    result = family_contest(estimates, [0, 1], [2], 0)
    assert (result.cnn, result.vit) == (0.5, 0.3)
    assert result.low == pytest.approx(-0.3 + 0.025 * 0.5)  # differences 0.2 and -0.3
    assert result.high == pytest.approx(0.2 - 0.025 * 0.5)
    assert result.cnn_wins == 0.5
    assert result.verdict == "undecided"
    best = contest(estimates, [0, 1], [2], 0)
    assert (best.cnn, best.vit, best.cnn_wins) == (0.6, 0.3, 0.5)  # the first rows, and who wins among all
    assert best.low == pytest.approx(-0.4 + 0.025 * 0.7)  # differences 0.3 and -0.4


def test_the_distance_to_the_best_row_is_paired():
    # the second row is the best and always 0.25 above the first, however the resamples vary; the third is undefined
    drawn = np.array([0.0, 0.5, 0.25])[:, None]
    resampled = np.stack([drawn, drawn + 0.25, np.full((3, 1), math.nan)], axis=1)
    values = np.array([[0.25], [0.5], [math.nan]])
    value, low, high = behind_best(Estimates(values, resampled, values * math.nan), 0)
    np.testing.assert_array_equal(value, [0.25, 0, math.nan])
    np.testing.assert_array_equal([low, high], [[0.25, 0, math.nan]] * 2)
    nothing = behind_best(Estimates(values * math.nan, resampled, values), 0)
    assert np.isnan(nothing).all()


def test_certainty_of_ranks_by_hand():
    # two metrics; row 0 is first in both, then in one, then in none
    resampled = np.array([[[0.9, 0.9], [0.1, 0.1]], [[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.1], [0.9, 0.9]]])
    certainty = rank_certainty(resampled)
    assert certainty.best.tolist() == [0.5, 0.5]  # (1 + 1/2 + 0) / 3
    assert certainty.low[0] == pytest.approx(1 + 0.05 * 0.5)  # of 1, 1.5, 2
    assert certainty.high[0] == pytest.approx(2 - 0.05 * 0.5)


def test_without_resamples_that_say_anything_nothing_is_certain():
    for resampled in (np.full((5, 2, 1), math.nan), np.empty((5, 0, 1))):
        certainty = rank_certainty(resampled)
        assert np.isnan([*certainty.low, *certainty.high, *certainty.best]).all()
    nothing = Estimates(np.zeros((2, 1)), np.full((5, 2, 1), math.nan), np.full((2, 1), math.nan))
    assert contest(nothing, [0], [1], 0).verdict == "undecided"
    assert math.isnan(contest(nothing, [0], [1], 0).cnn_wins)
