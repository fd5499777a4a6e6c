"""Ratios of scores: the interval is what Fieller's inequality says, tried on a grid; none where there is none."""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from stages.metrics.intervals import Jackknife
from stages.metrics.ratios import ratio

CLUSTERS = 8


def means(values: list[float] | np.ndarray) -> Jackknife:
    """The mean of equally large clusters, which left out one by one."""
    values = np.asarray(values, float)
    count = len(values)
    return Jackknife(
        values.mean(), (values.sum() - values) / (count - 1), np.full(count, 1 / count), (-math.inf, math.inf)
    )


def drawn(mean: float, seed: int, spread: float = 0.1) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).normal(size=CLUSTERS)


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_is_where_the_inequality_holds(paired: bool) -> None:
    below = drawn(0.8, 1)
    above = 0.5 * below + drawn(0.0, 2, 0.02) if paired else drawn(0.4, 2)
    value, low, high = ratio(means(above), means(below))
    assert value == pytest.approx(above.mean() / below.mean())
    reach = student.ppf(0.975, CLUSTERS - 1)
    tried = np.linspace(0, 2, 200_001)
    # of means the jackknife's variance is the usual one
    apart = above[:, None] - tried * below[:, None]
    held = tried[np.abs(apart.mean(axis=0)) <= reach * apart.std(axis=0, ddof=1) / math.sqrt(CLUSTERS)]
    assert (low, high) == pytest.approx((held[0], held[-1]), abs=2e-5)
    if paired:
        assert high - low < 0.1  # what makes a cluster hard for both cancels out


def test_a_proportion_that_holds_in_every_cluster_is_as_good_as_certain() -> None:
    below = drawn(0.8, 1)
    value, low, high = ratio(means(below / 4), means(below))
    assert (value, low, high) == pytest.approx((0.25, 0.25, 0.25), abs=1e-6)


def test_there_is_no_interval_where_the_lower_one_may_be_nothing() -> None:
    value, low, high = ratio(means(drawn(0.4, 1)), means(drawn(0.05, 2, 0.3) + 0.01))
    assert (value > 0 or math.isnan(value)) and math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("below", [[0.0, 0.0, 0.0], [-0.1, -0.2, -0.3]])
def test_nothing_can_be_said_of_a_share_of_nothing(below: list[float]) -> None:
    assert all(math.isnan(number) for number in ratio(means([0.1, 0.2, 0.3]), means(below)))


def test_clusters_that_agree_or_a_single_one_tell_nothing() -> None:
    value, low, high = ratio(means([0.2, 0.2, 0.2]), means([0.4, 0.4, 0.4]))
    assert value == 0.5 and math.isnan(low) and math.isnan(high)
    one = Jackknife(np.array(0.5), np.array([math.nan]), np.ones(1))
    assert math.isnan(ratio(one, one)[1])


def test_many_at_once_are_each_as_alone() -> None:
    pairs = [(drawn(0.4, n), drawn(0.8, n + 10)) for n in range(3)]
    together = [
        Jackknife(
            np.array([own.values for own in each]),
            np.stack([own.without for own in each], axis=1),
            np.stack([own.shares for own in each], axis=1),
            (-math.inf, math.inf),
        )
        for each in ([means(pair[0]) for pair in pairs], [means(pair[1]) for pair in pairs])
    ]
    alone = np.array([ratio(means(above), means(below)) for above, below in pairs]).T
    np.testing.assert_allclose(ratio(*together), alone)
