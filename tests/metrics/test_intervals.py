"""Intervals over clusters: by hand, against SciPy where nothing is clustered, and how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import beta, bootstrap, t

from stages.metrics.clusters import ratio_parts
from stages.metrics.intervals import Jackknife, draw_clusters, resampled_range, shares_of
from tests.benchmarks.coverage import SCENARIOS, cover, cover_percentile, truth_of

SIGNED = (-1.0, 1.0)


def of_clusters(above, below, clusters=None, bounds=(0.0, 1.0)):
    parts = ratio_parts(np.arange(len(above)) if clusters is None else clusters, above, below)
    return Jackknife(np.asarray(parts.value), parts.without_each(), shares_of(parts.weights), bounds)


def ends(score, level=0.95):
    return tuple(float(end) for end in score.interval(level))


def test_an_interval_by_hand():
    score = of_clusters([1, 2, 6], [10, 10, 10])  # 0.3; without each 0.4, 0.35, 0.15, whose mean is 0.3
    error = math.sqrt(2 / 3 * (0.1**2 + 0.05**2 + 0.15**2))
    assert error == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1) / math.sqrt(3))  # of equal clusters: of their mean
    reach = t.ppf(0.975, 2) * error / (0.3 * 0.7)
    assert ends(score) == pytest.approx((expit(logit(0.3) - reach), expit(logit(0.3) + reach)))
    assert int(score.clusters) == 3


def test_unequal_clusters_have_fewer_degrees_of_freedom():
    score = of_clusters([3, 2, 6], [20, 10, 10])
    effective = 1 / (0.5**2 + 0.25**2 + 0.25**2)
    value, without = 11 / 40, np.array([8 / 20, 9 / 30, 5 / 30])
    error = math.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    reach = t.ppf(0.975, effective - 1) * error / (value * (1 - value))
    assert ends(score)[1] == pytest.approx(expit(logit(value) + reach))


def test_a_paired_difference_by_hand():
    one, other = of_clusters([5, 7, 6, 9], [10] * 4), of_clusters([4, 6, 6, 7], [10] * 4)
    apart = one - other
    assert apart.bounds == SIGNED
    mean, error = 0.1, np.std([0.1, 0.1, 0.0, 0.2], ddof=1) / 2
    place, spread = (mean + 1) / 2, error / 2
    reach = t.ppf(0.975, 3) * spread / (place * (1 - place))
    assert float(apart.values) == pytest.approx(mean)
    assert ends(apart) == pytest.approx(tuple(2 * expit(logit(place) + sign * reach) - 1 for sign in (-1, 1)))


def test_how_surely_a_difference_is_above_zero_agrees_with_its_interval():
    rng = np.random.default_rng(0)
    for shift in (-0.3, -0.02, 0.0, 0.05, 0.3):
        above = rng.normal(shift, 0.1, 8)
        score = of_clusters(above, np.ones(8), bounds=SIGNED)
        sure = float(score.above_zero())
        opposite = of_clusters(-above, np.ones(8), bounds=SIGNED)
        assert float(opposite.above_zero()) == pytest.approx(1 - sure)
        level = 2 * max(sure, 1 - sure) - 1  # of the interval that ends at 0
        assert min(abs(end) for end in ends(score, level)) == pytest.approx(0, abs=1e-9)
        assert (ends(score)[0] > 0) == (sure > 0.975)


def test_clusters_that_agree_leave_room_for_others():
    """Nobody missed in 12 clusters: those that would miss can be as many as Clopper and Pearson say of 0 of 12."""
    low, high = ends(of_clusters([4] * 12, [4] * 12))
    assert (low, high) == (pytest.approx(beta.ppf(0.025, 12, 1)), 1.0)
    assert ends(of_clusters([0] * 12, [4] * 12)) == (0.0, pytest.approx(1 - low))
    both = of_clusters([4] * 12, [4] * 12) - of_clusters([4] * 12, [4] * 12)
    assert ends(both) == pytest.approx((low - 1, 1 - low))  # two rows that hit everything may differ elsewhere
    assert float(both.above_zero()) == 0.5
    every = of_clusters([4] * 12, [4] * 12) - of_clusters([0] * 12, [4] * 12)
    assert float(every.above_zero()) == pytest.approx(1 - 0.5**12)


def test_fewer_than_two_clusters_give_no_interval():
    assert np.isnan(ends(of_clusters([1, 2, 3], [9, 9, 9], clusters=["board"] * 3))).all()
    # several clusters, but the score is defined in one of them only
    score = of_clusters([1, 0, 0], [2, 0, 0])
    assert int(score.clusters) == 1 and np.isnan(ends(score)).all()
    nothing = of_clusters([0, 0], [0, 0])
    assert int(nothing.clusters) == 0 and np.isnan([*ends(nothing), nothing.above_zero()]).all()
    assert int(of_clusters([1, 0, 1], [2, 0, 2]).clusters) == 2  # the one that adds nothing does not count


def test_a_score_at_its_bound_whose_clusters_differ_has_an_interval():
    """1 by rounding, or of coarse histograms: its logit has no slope, so it is as if all clusters agreed."""
    shares = np.full(12, 1 / 12)
    agreed = of_clusters([4] * 12, [4] * 12)
    best = Jackknife(np.asarray(1.0), np.where(np.arange(12) == 3, 0.99, 1.0), shares)
    worst = Jackknife(np.asarray(0.0), np.where(np.arange(12) == 3, 0.01, 0.0), shares)
    assert ends(best) == pytest.approx(ends(agreed))
    assert ends(worst) == pytest.approx((0.0, 1 - ends(agreed)[0]))
    assert float((best - worst).above_zero()) == pytest.approx(1 - 0.5**12)


def test_clusters_of_good_tiles_widen_the_interval_of_a_score_that_depends_on_them():
    """Average precision without one good image: it has no true pixel, but false alarms."""
    shares, quiet = np.array([0.25, 0.25, 0.25, 0.25, 0, 0]), np.array([0.6, 0.5, 0.7, 0.6, 0.6, 0.6])
    loud = np.where(shares > 0, quiet, [0, 0, 0, 0, 0.8, 0.55])
    error = math.sqrt(3 / 4 * (0.1**2 + 0.1**2 + 0.2**2 + 0.05**2))
    reach = t.ppf(0.975, 3) * error / (0.6 * 0.4)
    score = Jackknife(np.asarray(0.6), loud, shares)
    assert ends(score) == pytest.approx((expit(logit(0.6) - reach), expit(logit(0.6) + reach)))
    assert int(score.clusters) == 4
    narrow = Jackknife(np.asarray(0.6), quiet, shares)
    assert ends(narrow)[0] > ends(score)[0] and ends(narrow)[1] < ends(score)[1]


def test_one_cluster_that_is_nearly_all_says_next_to_nothing():
    low, high = ends(of_clusters([3e8, 1, 0], [1e9, 1, 1]))
    assert low < 1e-6 and high > 1 - 1e-6


def test_without_an_upper_bound_the_scale_is_logarithmic():
    score = of_clusters([1.0, 2.0, 6.0], [2.0, 2.0, 2.0], bounds=(0.0, math.inf))
    error = np.std([0.5, 1.0, 3.0], ddof=1) / math.sqrt(3)
    reach = t.ppf(0.975, 2) * error / 1.5
    assert ends(score) == pytest.approx((1.5 * math.exp(-reach), 1.5 * math.exp(reach)))


def test_clusters_of_equal_tiles_are_one_tile_each():
    rng = np.random.default_rng(0)
    hits = rng.random(30)
    alone = of_clusters(hits, np.ones(30))
    together = of_clusters(np.repeat(hits, 9), np.ones(270), clusters=np.repeat(np.arange(30), 9))
    assert ends(together) == pytest.approx(ends(alone))
    by_tile = of_clusters(np.repeat(hits, 9), np.ones(270))
    assert np.diff(ends(by_tile)) < 0.4 * np.diff(ends(together))  # nine times as many that do not vary independently


def test_many_clusters_agree_with_scipys_bootstrap():
    rng = np.random.default_rng(3)
    whole, part = rng.integers(20, 50, 400).astype(float), rng.integers(0, 20, 400).astype(float)
    theirs = bootstrap(
        (part, whole),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        n_resamples=4000,
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ends(of_clusters(part, whole)) == pytest.approx(tuple(theirs), abs=0.08 * (theirs.high - theirs.low))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_an_interval_holds_its_score_and_stays_within_the_bounds(tiles):
    clusters, part, rest = zip(*tiles, strict=True)
    score = of_clusters(part, np.add(part, rest), clusters)
    low, high = ends(score)
    if int(score.clusters) < 2:
        assert math.isnan(low) and math.isnan(high)
    else:
        assert 0 <= low <= float(score.values) + 1e-12 and float(score.values) - 1e-12 <= high <= 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_intervals_hold_the_truth_as_often_as_they_say(name):
    """95% promised; 1,000 data sets leave a standard error of 0.7%."""
    truth = truth_of(SCENARIOS[name], seed=1)
    for clusters in (5, 12, 30):
        assert cover(SCENARIOS[name], truth, clusters, 1000, seed=2).held >= 0.92


def test_the_percentile_bootstrap_does_not():
    scenario = SCENARIOS["F1 near 0.45"]
    assert cover_percentile(scenario, truth_of(scenario, seed=1), 5, 500, seed=2).held < 0.85


def test_draws_are_of_as_many_clusters_and_repeat():
    draws = draw_clusters(4, 50, seed=7)
    assert draws.shape == (50, 4) and (draws.sum(axis=1) == 4).all()
    assert np.array_equal(draws, draw_clusters(4, 50, seed=7))
    assert not np.array_equal(draws, draw_clusters(4, 50, seed=8))
    assert draw_clusters(0, 10, seed=0).shape == (10, 0)


def test_a_range_of_resamples_leaves_out_those_without_a_value():
    values = np.array([[0.0, math.nan], [1.0, math.nan], [math.nan, math.nan], [2.0, math.nan]])
    low, high = resampled_range(values, level=0.5)
    assert (low[0], high[0]) == (0.5, 1.5)
    assert np.isnan([low[1], high[1]]).all()
