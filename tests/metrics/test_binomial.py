"""Exact intervals of shares: against scipy's test, by hand at the ends, and what they promise."""

import math

import pytest
from scipy.stats import binom, binomtest

from stages.metrics.binomial import exact_interval


@pytest.mark.parametrize(("hits", "trials"), [(1, 2), (7, 8), (359, 360), (13444, 13654), (0, 5), (5, 5)])
def test_as_scipy_has_it(hits, trials):
    other = binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert exact_interval(hits, trials) == pytest.approx((other.low, other.high), abs=1e-12)


def test_at_the_ends_by_hand():
    """None of n: high solves (1 - p)^n = 2.5%."""
    assert exact_interval(0, 10) == (0.0, pytest.approx(1 - 0.025**0.1))
    assert exact_interval(10, 10) == (pytest.approx(0.025**0.1), 1.0)


@pytest.mark.parametrize("chance", [0.03, 0.5, 0.985])
def test_it_holds_the_truth_in_95_percent_of_cases_at_least(chance):
    held = sum(
        binom.pmf(hits, 40, chance)
        for hits in range(41)
        if exact_interval(hits, 40)[0] <= chance <= exact_interval(hits, 40)[1]
    )
    assert held >= 0.95


def test_no_trial_says_nothing_and_more_hits_than_trials_are_refused():
    assert all(math.isnan(end) for end in exact_interval(0, 0))
    with pytest.raises(ValueError, match="3 hits of 2 trials"):
        exact_interval(3, 2)
