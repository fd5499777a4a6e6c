"""Clustered bootstrap: worked by hand, against SciPy where nothing is clustered, and what must hold for any tiles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from stages.metrics.intervals import (
    Bootstrap,
    best_shares,
    cluster_bootstrap,
    mean_sums,
    percentile_interval,
    ratio_of_sums,
)


def column(*values):
    return np.array(values, float)[:, None]


def test_ratios_worked_by_hand():
    # tiles 0 and 1 are cluster 0, tile 2 is cluster 1; three resamples: each once, the first twice, the second twice
    drawn = Bootstrap(np.array([0, 0, 1]), np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]]))
    ratios = drawn.ratios(column(1, 2, 3), column(2, 4, 4))
    assert ratios[:, 0].tolist() == [6 / 10, 6 / 12, 6 / 8]
    low, high = percentile_interval(ratios, level=0.5)  # quartiles of 0.5, 0.6, 0.75
    assert (low[0], high[0]) == pytest.approx((0.55, 0.675))


def test_pooled_scores_and_means():
    assert ratio_of_sums(column(1, 2, 3), column(2, 4, 4)).tolist() == [0.6]
    sums = mean_sums(column(1, math.nan, 0, 1))
    assert [part[:, 0].tolist() for part in sums] == [[1, 0, 0, 1], [1, 0, 1, 1]]
    assert ratio_of_sums(*sums)[0] == pytest.approx(2 / 3)
    assert math.isnan(ratio_of_sums(*mean_sums(column(math.nan, math.nan)))[0])


def test_without_clusters_it_is_scipys_percentile_bootstrap():
    rng = np.random.default_rng(3)
    truth, said = rng.integers(1, 50, 40).astype(float), rng.integers(0, 30, 40).astype(float)
    ours = percentile_interval(cluster_bootstrap(np.arange(40), 20_000, seed=0).ratios(said[:, None], truth[:, None]))
    theirs = bootstrap(
        (said, truth),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        n_resamples=20_000,
        paired=True,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    # two Monte-Carlo estimates of the same quantiles: 20,000 draws leave them within a few hundredths of the width
    assert (ours[0][0], ours[1][0]) == pytest.approx(tuple(theirs), abs=0.04 * width)


def test_clusters_of_equal_tiles_widen_the_interval_as_if_each_were_one_tile():
    rng = np.random.default_rng(0)
    values = rng.random(30)
    repeated, clusters = np.repeat(values, 9), np.repeat(np.arange(30), 9)
    alone = cluster_bootstrap(np.arange(30), 500, seed=5).ratios(*mean_sums(values[:, None]))
    together = cluster_bootstrap(clusters, 500, seed=5).ratios(*mean_sums(repeated[:, None]))
    assert np.allclose(alone, together)
    by_tile = cluster_bootstrap(np.arange(270), 500, seed=5).ratios(*mean_sums(repeated[:, None]))
    assert by_tile.std() < 0.5 * together.std()  # a third: nine times as many independent tiles that are not


def test_one_cluster_says_nothing_about_variation():
    one = cluster_bootstrap(["board"] * 5, 100, seed=0)
    low, high = percentile_interval(one.ratios(column(1, 2, 3, 4, 5), column(9, 9, 9, 9, 9)))
    assert math.isnan(low[0]) and math.isnan(high[0])
    # several clusters, but the score is defined in one of them only
    three = cluster_bootstrap(["a", "b", "c"], 100, seed=0)
    assert np.isnan(three.ratios(column(1, 0, 0), column(2, 0, 0))).all()
    assert not np.isnan(three.ratios(column(1, 0, 0), column(2, 1, 1))).any()


def test_no_tile_at_all():
    nothing = cluster_bootstrap([], 10, seed=0)
    low, high = percentile_interval(nothing.ratios(np.empty((0, 2)), np.empty((0, 2))))
    assert np.isnan([*low, *high]).all()


def test_resamples_without_a_defined_tile_are_left_out():
    drawn = cluster_bootstrap(["a", "b", "c"], 2000, seed=0)
    ratios = drawn.ratios(column(1, 0, 0), column(1, 1, 0))
    undefined = np.isnan(ratios[:, 0]).mean()
    assert undefined == pytest.approx((1 / 3) ** 3, abs=0.02)  # only "c" drawn
    low, high = percentile_interval(ratios)
    assert (low[0], high[0]) == (0.0, 1.0)


def test_names_decide_the_draw_and_not_the_order_of_tiles():
    clusters = np.array(["b", "a", "c", "a", "b"])
    values = np.array([1.0, 2.0, 9.0, 4.0, 5.0])[:, None]
    order = np.array([4, 2, 0, 3, 1])
    first = cluster_bootstrap(clusters, 50, seed=7).ratios(*mean_sums(values))
    second = cluster_bootstrap(clusters[order], 50, seed=7).ratios(*mean_sums(values[order]))
    assert np.allclose(first, second)
    assert not np.allclose(first, cluster_bootstrap(clusters, 50, seed=8).ratios(*mean_sums(values)))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_a_resampled_share_stays_between_the_clusters_lowest_and_highest(tiles):
    clusters = [name for name, _, _ in tiles]
    part = column(*(own for _, own, _ in tiles))
    whole = part + column(*(more for _, _, more in tiles))
    ratios = cluster_bootstrap(clusters, 20, seed=0).ratios(part, whole)
    defined = ratios[~np.isnan(ratios)]
    assert ((defined >= 0) & (defined <= 1 + 1e-12)).all()


def test_the_probability_of_being_best():
    values = np.array([[0.9, 0.1, 0.1], [0.5, 0.5, 0.1], [math.nan, 0.2, 0.1], [math.nan] * 3])
    shares = best_shares(values)
    assert shares.tolist() == pytest.approx([0.5, 0.5, 0.0])  # (1 + 1/2 + 0) / 3, (0 + 1/2 + 1) / 3
    assert np.isnan(best_shares(np.full((4, 2), math.nan))).all()
    assert best_shares(np.empty((5, 0))).shape == (0,)
