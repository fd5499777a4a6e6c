"""Scores of ranked pixels: average precision and AUROC as scikit-learn's, AUPRO as slow loops', order of bins."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.metrics.aupro import aupro
from stages.metrics.auroc import auroc
from stages.metrics.average_precision import average_precision, ranked_average_precision
from stages.metrics.enlarged import rank_keys, region_weights
from stages.metrics.geometry import upsample
from stages.metrics.histograms import BINS, Histograms, float16_bins, quantile_bins


def histograms_of(values: np.ndarray, truth: np.ndarray) -> Histograms:
    bins = float16_bins(values.astype(np.float32))
    weights = region_weights(truth)
    return Histograms(
        np.bincount(bins[truth], minlength=BINS).astype(float),
        np.bincount(bins[~truth], minlength=BINS).astype(float),
        np.bincount(bins[truth], weights=weights, minlength=BINS),
    )


def slow_aupro(values: np.ndarray, truth: np.ndarray, limit: float) -> float:
    """Threshold after threshold, region after region."""
    regions = []
    for tile, mask in enumerate(truth):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += [(tile, labels == label) for label in range(1, count)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(values)[::-1]:
        above = values >= threshold
        overlap = np.mean([above[tile][region].mean() for tile, region in regions])
        points.append((float(above[~truth].mean()), float(overlap)))
    rates, overlaps = np.array(points).T
    # the area up to the limit: the curve is linear between its points, vertical where two have one rate
    last = int(np.searchsorted(rates, limit, side="right"))
    if last < len(rates):
        share = (limit - rates[last - 1]) / (rates[last] - rates[last - 1])
        end = overlaps[last - 1] + share * (overlaps[last] - overlaps[last - 1])
    else:
        end = overlaps[-1]
    return float(np.trapezoid([*overlaps[:last], end], [*rates[:last], limit]) / limit)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Eight tiles of 48 px with blobs in five of them, and noisy maps of 6 x 6 cells that half see them."""
    rng = np.random.default_rng(3)
    truth = np.zeros((8, 48, 48), np.uint8)
    for tile in range(5):
        for _ in range(3):
            cv2.circle(truth[tile], rng.integers(0, 48, 2).tolist(), int(rng.integers(2, 6)), 1, -1)
    seen = np.stack([cv2.resize(mask.astype(np.float32), (6, 6), interpolation=cv2.INTER_AREA) for mask in truth])
    maps = (2 * seen + rng.normal(0, 0.4, seen.shape)).astype(np.float16)
    return upsample(maps, 48), truth.view(bool)


def test_bins_are_in_the_order_of_the_values():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    ordered = np.unique(every[np.isfinite(every)])  # -0 and 0 are one
    bins = float16_bins(ordered.astype(np.float32))
    assert (np.diff(bins.astype(int)) > 0).all()
    assert float16_bins(np.array([-0.0, 0.0, -1e-12, 1e-12], np.float32)).tolist() == [0x8000] * 4


def test_scores_agree_with_scikit_learn_on_float16_maps(scene):
    heatmaps, truth = scene
    rounded = heatmaps.astype(np.float16).astype(np.float64)
    found = histograms_of(heatmaps, truth)
    assert average_precision(found) == pytest.approx(average_precision_score(truth.ravel(), rounded.ravel()), abs=1e-9)
    assert auroc(found) == pytest.approx(roc_auc_score(truth.ravel(), rounded.ravel()), abs=1e-9)


def test_rounding_to_float16_hardly_moves_a_score(scene):
    heatmaps, truth = scene
    found = histograms_of(heatmaps, truth)
    theirs = average_precision_score(truth.ravel(), heatmaps.ravel()), roc_auc_score(truth.ravel(), heatmaps.ravel())
    np.testing.assert_allclose([average_precision(found), auroc(found)], theirs, rtol=0, atol=3e-4)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_agrees_with_a_slow_loop_over_regions(scene, limit):
    heatmaps, truth = scene
    rounded = np.round(heatmaps * 16) / 16  # few thresholds, many ties
    found = histograms_of(rounded, truth)
    assert aupro(found, limit) == pytest.approx(slow_aupro(rounded, truth, limit), abs=1e-9)


def test_aupro_of_anomalib():
    """Values that anomalib 2.7.0 gave for this scene (float32 sums: good to 1e-6)."""
    rng = np.random.default_rng(7)
    truth = np.zeros((4, 40, 40), bool)
    truth[0, 3:9, 4:12] = truth[0, 20:22, 30:39] = truth[1, 10:30, 10:14] = truth[2, 35:40, 0:6] = True
    values = (rng.integers(0, 60, truth.shape) + 30 * truth) / 64
    found = histograms_of(values, truth)
    for limit, theirs in ((0.05, 0.542578936), (0.3, 0.665680051), (1.0, 0.876849353)):
        assert aupro(found, limit) == pytest.approx(theirs, abs=1e-6)


def test_worked_by_hand():
    # values 3 3 2 1, of which one 3 and the 1 are true: precision 1/2 at 3, 2/4 at 1; pairs: (3 v 3) 1/2, (3 v 2) 1,
    # (1 v 3) 0, (1 v 2) 0
    inside, outside = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    own = Histograms(inside, outside, inside)
    assert average_precision(own) == 0.5
    assert auroc(own) == 1.5 / 4
    # two regions of one pixel: overlap 1/2 at rate 1/2 (a straight way there), 1/2 at 1, then 1 at 1
    assert aupro(own, 1.0) == pytest.approx(0.5 * 0.25 + 0.5 * 0.5)
    assert aupro(own, 0.25) == pytest.approx(0.125)


def test_undefined_is_nan():
    nothing, something = np.zeros(4), np.array([1, 0, 2, 0])
    nothing_inside = Histograms(nothing, something, nothing)
    nothing_outside = Histograms(something, nothing, something)
    assert np.isnan([score(nothing_inside) for score in (average_precision, auroc, aupro)]).all()
    assert np.isnan([score(nothing_outside) for score in (auroc, aupro)]).all()
    with pytest.raises(ValueError, match="fpr_limit"):
        aupro(Histograms(something, something, something), 0)


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_scores_lie_in_0_to_1_and_a_constant_map_ranks_nothing(inside, outside):
    own = Histograms(*(np.array(part, float) for part in (inside, outside, inside)))
    scores = average_precision(own), auroc(own), aupro(own)
    assert all(np.isnan(score) or 0 <= score <= 1 + 1e-12 for score in scores)
    one_value = Histograms(np.array([float(sum(inside))]), np.array([float(sum(outside))]), np.array([1.0]))
    if sum(inside) and sum(outside):
        assert auroc(one_value) == 0.5
        assert average_precision(one_value) == pytest.approx(sum(inside) / sum(inside + outside))


def test_one_tile_alone(scene):
    heatmaps, truth = scene
    places = heatmaps[0].ravel() - heatmaps[0].min()
    keys = rank_keys(places)
    theirs = average_precision_score(truth[0].ravel(), places)
    assert ranked_average_precision(np.sort(keys), keys[truth[0].ravel()]) == pytest.approx(theirs, abs=1e-4)


def test_average_precision_of_a_tile_by_hand():
    # values 3 3 2 1, of which one 3 and the 1 are true: precision 1/2 at 3, 2/4 at 1
    assert ranked_average_precision(np.array([1, 2, 3, 3]), np.array([3, 1])) == 0.5
    # any other values in the same order score the same
    assert ranked_average_precision(np.array([-7, 0, 900, 900]), np.array([900, -7])) == 0.5


def test_keys_are_in_the_order_of_the_places_and_overlook_rounding():
    places = np.array([0, 1e-30, 1e-8, 0.02, 0.020001, 0.5, 1], np.float32)
    assert (np.diff(rank_keys(places)) > 0).all()
    ulps = np.float32(0.7) + np.arange(-3, 4, dtype=np.float32) * np.float32(2**-24)
    assert len(np.unique(rank_keys(ulps))) == 1


def test_regions_touch_at_corners():
    truth = np.zeros((2, 4, 4), bool)
    truth[1, 0, 0] = truth[1, 1, 1] = truth[1, 3, 3] = True
    assert region_weights(truth).tolist() == [0.5, 0.5, 1.0]
    assert region_weights(truth[:1]).tolist() == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("signal", [0.0, 1.0, 3.0])
def test_coarse_bins_keep_the_order_and_nearly_the_scores(signal, seed):
    """200 tiles, one in four with two regions of very different areas, seen with this signal in noise of 1."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((200, 48, 48), bool)
    for tile in range(50):
        for side in (3, 12):
            y, x = rng.integers(0, 48 - side, 2)
            truth[tile, y : y + side, x : x + side] = True
    seen = truth.reshape(200, 6, 8, 6, 8).mean(axis=(2, 4))
    heatmaps = upsample((4 * signal * seen + rng.normal(0, 1, seen.shape)).astype(np.float32), 48)
    fine = histograms_of(heatmaps, truth)
    coarse = quantile_bins(fine)
    assert (np.diff(coarse) >= 0).all() and coarse[0] == 0 and 512 <= coarse[-1] < 512 + 256
    near = Histograms(*(np.bincount(coarse, weights=part) for part in (fine.inside, fine.outside, fine.regions)))
    for score in (average_precision, auroc, aupro):
        assert score(near) == pytest.approx(score(fine), abs=1e-3), score.__name__
