"""Scores of several rows on the same clusters of tiles, and what is said of their differences: by hand."""

import math

import numpy as np
import pytest

from stages.metrics.clusters import ratio_parts, tile_sums
from stages.metrics.intervals import Jackknife, draw_clusters
from stages.ranking.comparison import (
    Estimates,
    behind,
    contest,
    contests_line,
    estimate,
    rank_certainty,
)


def rows_of(*rows, clusters=None):
    """Return rows x seeds x one metric of scores of single tiles, each tile its own cluster unless `clusters` says."""
    return [[[parts(seed, clusters)] for seed in seeds] for seeds in rows]


def parts(values, clusters=None):
    sums = tile_sums("score", {"score": np.array(values, float)})
    return ratio_parts(np.arange(len(values)) if clusters is None else clusters, *sums)


def draws(count, resamples=200):
    return draw_clusters(count, resamples, seed=0)


def test_rows_share_their_resamples_and_seeds_are_averaged():
    result = estimate(rows_of([(1, 0)], [(0, 0), (1, 1)]), np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert result.values[:, 0].tolist() == [0.5, 0.5]
    assert result.scores.without[:, :, 0].tolist() == [[0, 0.5], [1, 0.5]]
    assert result.resampled[:, :, 0].tolist() == [[0.5, 0.5], [1.0, 0.5]]
    assert math.isnan(result.between_seeds[0, 0])
    assert result.between_seeds[1, 0] == pytest.approx(math.sqrt(0.5))
    assert result.clusters == 2


def test_a_paired_difference_is_surer_than_its_parts():
    rng = np.random.default_rng(1)
    hard = 0.9 * rng.random(60)
    result = estimate(rows_of([hard + 0.05], [hard + 0.01 * rng.random(60)]), draws(60))
    apart = contest(result, [0], [1], 0)
    assert (apart.verdict, apart.clusters) == ("cnn", 60)
    assert contest(result, [1], [0], 0).verdict == "vit"
    low, high = result.scores[0, 0].interval()
    assert apart.high - apart.low < 0.1 * (high - low)


def test_a_contest_speaks_of_the_same_two_rows_throughout():
    """A third row that beats both changes nothing of it: neither the winner nor how surely."""
    hits = [1, 1, 0, 1, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0, 1], [1] * 8
    alone, among = (estimate(rows_of(*([own] for own in rows)), draws(8)) for rows in (hits[:2], hits))
    assert contest(among, [0], [1], 0) == contest(alone, [0], [1], 0)
    own = contest(among, [0], [1], 0)
    assert (own.cnn, own.vit) == (0.75, 0.375)
    assert own.cnn_wins > 0.5 and own.content["cnn_wins_probability"] == own.cnn_wins
    for result in (own, contest(among, [1], [0], 0)):
        assert (result.verdict == "cnn") == (result.cnn_wins > 0.975)
        assert (result.verdict == "vit") == (result.cnn_wins < 0.025)


def test_a_contest_of_families_is_of_their_means():
    result = estimate(rows_of([(0.9, 0.5)], [(0.3, 0.3)], [(0.2, 0.6)]), draws(2))
    of_means = estimate(rows_of([(0.6, 0.4)], [(0.2, 0.6)]), draws(2))
    own, expected = contest(result, [0, 1], [2], 0), contest(of_means, [0], [1], 0)
    assert own.cnn == pytest.approx(0.5) and own.vit == pytest.approx(0.4)
    assert (own.low, own.high) == pytest.approx((expected.low, expected.high))


def test_too_few_clusters_name_no_winner():
    for count, said in ((1, "too few"), (4, "too few"), (5, "cnn")):
        clusters = np.arange(40) % count
        steady = np.linspace(0, 0.01, 40)
        result = estimate(rows_of([0.9 + steady], [0.1 - steady], clusters=clusters), draws(count))
        own = contest(result, [0], [1], 0)
        assert (own.verdict, own.clusters) == (said, count)
        assert math.isnan(own.low) == (count < 2)
        assert behind(result, 0, 0).told_apart == ["too few" if count < 5 else "no", "too few" if count < 5 else "yes"]
        assert np.isnan(rank_certainty(result, [0, 1]).best).all() == (count < 5)
        assert ("too few to name the better one: below 5" in contests_line({"f1": own})) == (count < 5)


def test_what_has_no_score_is_undefined_and_not_too_few():
    nothing, once = (math.nan,) * 6, (0.3, *(math.nan,) * 5)
    result = estimate(rows_of([(0.9, 0.8, 0.7, 0.9, 0.9, 0.8)], [nothing], [once]), draws(6))
    own = contest(result, [0], [1], 0)
    assert own.verdict == str(own) == "undefined"
    assert contests_line({"f1": own}) == "f1 undefined"
    assert behind(result, 0, 0).told_apart == ["no", "", ""]  # the last has a score, but no interval


def test_the_distance_to_the_first_row_is_paired():
    # the second row is about 0.25 above the first, wherever that is; the third is undefined
    hard, near = np.array([0.0, 0.5, 0.25, 0.6, 0.1, 0.4]), np.array([0.2, 0.3, 0.25, 0.25, 0.3, 0.2])
    result = estimate(rows_of([hard], [hard + near], [hard * math.nan]), draws(6))
    apart = behind(result, 1, 0)
    np.testing.assert_allclose(apart.value, [0.25, 0, math.nan])
    assert (apart.low[1], apart.high[1]) == (0, 0)  # the row itself
    assert apart.told_apart == ["yes", "no", ""]
    assert (behind(result, 0, 0).value[1], behind(result, 0, 0).told_apart[1]) == (pytest.approx(-0.25), "yes")


def test_certainty_of_ranks_by_hand():
    # two metrics; row 0 is first in both, then in one, then in none; ties go by the first metric
    resampled = np.array([[[0.9, 0.9], [0.1, 0.1]], [[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.1], [0.9, 0.9]]])
    every = np.full((5, 2, 2), 0.2)
    certainty = rank_certainty(Estimates(Jackknife(every[0], every, every), resampled, every[0]), [0, 1])
    assert certainty.best.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert certainty.low[0] == pytest.approx(1 + 0.05 * 0.5)  # of 1, 1.5, 2
    assert certainty.high[0] == pytest.approx(2 - 0.05 * 0.5)


def test_without_rows_or_clusters_nothing_is_certain():
    nothing = estimate([], draws(3))
    assert nothing.clusters == 0 and rank_certainty(nothing, []).best.shape == (0,)
    one = estimate(rows_of([(0.5, 0.4)], [(0.1, 0.1)], clusters=["a", "a"]), draws(1))
    own = contest(one, [0], [1], 0)
    assert own.verdict == "too few" and math.isnan(own.cnn_wins)
    assert str(own) == "+0.350 [no interval]"
