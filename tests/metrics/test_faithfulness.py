"""Deletion, insertion and sufficiency: orders, fills and areas worked by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from stages.metrics.faithfulness import (
    compose,
    curve_area,
    filled,
    gain_over_random,
    ordered,
    relevance_ranks,
    step_counts,
    top_pixels,
)


def test_pixels_are_ordered_by_relevance_and_ties_by_reading_order():
    ranks = relevance_ranks(np.array([[[0.1, 0.9], [0.5, 0.5]], [[2.0, 2.0], [2.0, 3.0]]]))
    assert ranks.tolist() == [[[3, 0], [1, 2]], [[1, 2], [3, 0]]]


def test_a_constant_map_orders_nothing():
    assert ordered(np.array([[[1.0, 1.0]], [[1.0, 1.5]]])).tolist() == [False, True]


def test_the_most_relevant_pixels():
    ranks = np.array([[[3, 0], [1, 2]], [[1, 2], [3, 0]]])
    assert top_pixels(ranks, 2).tolist() == [[[False, True], [True, False]], [[True, False], [False, True]]]
    assert top_pixels(ranks, np.array([0, 4])).sum(axis=(1, 2)).tolist() == [0, 4]


def test_steps_reach_from_nothing_to_all():
    assert step_counts(10, 4).tolist() == [0, 2, 5, 8, 10]
    assert step_counts(49, 1).tolist() == [0, 49]


@given(st.integers(1, 400), st.integers(1, 12), st.integers(0, 9))
def test_every_step_takes_the_pixels_of_the_one_before(area, steps, seed):
    heatmap = np.random.default_rng(seed).integers(0, 5, (1, 1, area)).astype(float)  # with ties
    ranks = relevance_ranks(heatmap)
    taken = [top_pixels(ranks, count) for count in step_counts(area, steps)]
    assert [int(mask.sum()) for mask in taken] == step_counts(area, steps).tolist()
    for before, after in pairwise(taken):
        assert not (before & ~after).any()
        assert heatmap[after & ~before].max(initial=-1) <= heatmap[before].min(initial=9)


def test_the_mean_fill_is_each_tiles_own_colour():
    pixels = np.zeros((2, 2, 2, 3), np.uint8)
    pixels[0, 0] = (10, 20, 40)
    pixels[1] = 7
    fill = filled(pixels, "mean")
    assert fill.dtype == np.uint8
    assert (fill[0] == (5, 10, 20)).all()
    assert (fill[1] == 7).all()


def test_the_blur_fill_keeps_the_mean_and_loses_what_is_small():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    fill = filled(pixels, "blur")
    assert fill.std() < 0.12 * pixels.std()  # white noise over a Gaussian of 4 px: 1 / (2 sqrt(pi) 4) = 0.07
    assert fill.mean() == pytest.approx(pixels.mean(), abs=2)
    even = np.full((1, 32, 32, 3), 90, np.uint8)
    assert (filled(even, "blur") == 90).all()


def test_what_stays_and_what_is_filled():
    pixels, fill = np.full((1, 1, 2, 3), 9, np.uint8), np.zeros((1, 1, 2, 3), np.uint8)
    assert compose(np.array([[[True, False]]]), pixels, fill)[0, 0, :, 0].tolist() == [9, 0]


def test_area_under_a_curve():
    curves = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0], [0.0, np.nan, 1.0]])
    areas = curve_area(curves)
    assert areas[:2].tolist() == [0.5, 1.0]
    assert np.isnan(areas[2])
    rng = np.random.default_rng(1).random((5, 9))
    assert np.allclose(curve_area(rng), trapezoid(rng, np.linspace(0, 1, 9), axis=1))


def test_a_gain_is_positive_where_the_map_beats_chance():
    areas = {name: np.array([value]) for name, value in (("deletion", 0.2), ("random_deletion", 0.5))}
    assert gain_over_random(areas, "deletion")[0] == pytest.approx(0.3)
    areas = {name: np.array([value]) for name, value in (("insertion", 0.2), ("random_insertion", 0.5))}
    assert gain_over_random(areas, "insertion")[0] == pytest.approx(-0.3)
