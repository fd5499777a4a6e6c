"""Thresholds: counts from levels are counts of masks, Otsu as OpenCV's, choices that see validation tiles only."""

import math

import cv2
import numpy as np
import pytest

from stages.metrics.geometry import upsample
from stages.metrics.thesis import pixel_counts, pixel_scores, scale_to_255, thesis_prediction
from stages.metrics.thresholds import (
    FRACTIONS,
    RULES,
    Levels,
    apply_rules,
    best_level,
    count_levels,
    fraction_levels,
    join_levels,
    oracle,
    otsu_levels,
    scores_by_threshold,
)

PX = 24


@pytest.fixture(scope="module")
def scene():
    """Twelve tiles with a square each, seen by maps of 6 x 6 cells; tile 10 is constant, tile 11 not shown."""
    rng = np.random.default_rng(5)
    truth = np.zeros((12, PX, PX), bool)
    for mask in truth:
        y, x = rng.integers(0, PX - 8, 2)
        mask[y : y + 8, x : x + 8] = True
    maps = truth.reshape(12, 6, 4, 6, 4).mean(axis=(2, 4)) + rng.normal(0, 0.2, (12, 6, 6))
    maps = maps.astype(np.float16)
    maps[10] = 1
    shown = np.arange(12) != 11
    return maps, truth, shown, count_levels(maps, {"exact": truth}, PX)


@pytest.mark.parametrize("threshold", [0, 60, 127, 254])
def test_counts_from_levels_are_those_of_masks(scene, threshold):
    maps, truth, shown, levels = scene
    masks = thesis_prediction(upsample(maps, PX), shown.astype(float), threshold)
    np.testing.assert_array_equal(levels.counts("exact", threshold, shown), pixel_counts(masks, truth))


def test_each_tile_may_have_its_own_threshold_and_chunks_join(scene):
    maps, truth, shown, _ = scene
    thresholds = np.arange(12) * 20.0
    masks = (scale_to_255(upsample(maps, PX)) > thresholds[:, None, None]) & shown[:, None, None]
    pieces = [count_levels(maps[rows], {"exact": truth[rows]}, PX) for rows in (slice(0, 5), slice(5, 12))]
    np.testing.assert_array_equal(join_levels(pieces).counts("exact", thresholds, shown), pixel_counts(masks, truth))


def test_scores_by_threshold_are_those_of_the_counts_at_each(scene):
    _, _, shown, levels = scene
    rows = np.arange(12) % 3 > 0  # the constant tile and the one that is not shown among them
    curve = scores_by_threshold(levels, "exact", shown, rows)
    assert len(curve) == 255
    for threshold in (0, 1, 100, 127, 254):
        assert curve[threshold] == pixel_scores(levels.counts("exact", threshold, shown)[rows])
    nobody = scores_by_threshold(levels, "exact", np.zeros(12, bool), rows)
    assert {own["recall"] for own in nobody} == {0.0} and math.isnan(nobody[0]["precision"])


def test_otsu_agrees_with_opencv(scene):
    maps, _, _, levels = scene
    pictures = np.ceil(scale_to_255(upsample(maps, PX))).astype(np.uint8)
    theirs = [cv2.threshold(picture, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0] for picture in pictures]
    ours = otsu_levels(levels.every)
    np.testing.assert_array_equal(ours[:10], theirs[:10])
    assert ours[10] == 255  # constant: cannot be parted, black


def test_otsu_worked_by_hand():
    counts = np.zeros((1, 256), int)
    counts[0, [10, 11, 200]] = [3, 3, 2]
    assert otsu_levels(counts).tolist() == [11]


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_fraction_of_the_maximum_is_a_threshold_on_raw_values(scene, fraction):
    maps, _, shown, levels = scene
    heatmaps = upsample(maps, PX)
    exact = heatmaps > fraction * heatmaps.max(axis=(1, 2), keepdims=True)
    exact[[10, 11]] = False
    counts = levels.counts("exact", fraction_levels(levels, fraction), shown)
    ours, theirs = counts[:, 0] + counts[:, 1], exact.sum(axis=(1, 2))
    # rounded down to a 255th of the tile's range: a few pixels more
    assert (ours >= theirs).all() and (ours - theirs).max() <= 0.02 * PX**2


def test_fraction_where_all_pixels_are_above_and_where_none_is_positive():
    levels = count_levels(np.array([[[4.0, 5.0]], [[-2.0, -1.0]]]), {}, 4)
    assert fraction_levels(levels, 0.5).tolist() == [-1, 255]


def test_best_level_is_the_best_of_all_tried(scene):
    _, _, shown, levels = scene
    rows = np.arange(12) % 2 == 0
    ious = [pixel_scores(levels.counts("exact", level, shown)[rows])["jaccard"] for level in range(255)]
    assert best_level(levels, "exact", shown, rows) == int(np.argmax(ious))


def test_choices_see_validation_tiles_only_and_the_oracle_is_not_below_them(scene):
    _, _, shown, levels = scene
    validation = np.arange(12) < 6
    rules = apply_rules(levels, "exact", shown, validation)
    assert tuple(rules) == RULES
    assert rules["fixed"].threshold == 127 and math.isnan(rules["otsu"].threshold)
    assert rules["fraction"].threshold in FRACTIONS
    # other test tiles change no choice
    other = Levels(levels.every, {"exact": levels.inside["exact"].copy()}, levels.low, levels.high)
    other.inside["exact"][6:] = 0
    changed = apply_rules(other, "exact", shown, validation)
    for name in RULES:
        np.testing.assert_array_equal(rules[name].threshold, changed[name].threshold)
        np.testing.assert_array_equal(rules[name].levels, changed[name].levels)
    best = oracle(levels, "exact", shown, ~validation).scores(~validation)["foreground_iou"]
    for name in ("fixed", "validation"):
        assert best >= rules[name].scores(~validation)["foreground_iou"]


def test_without_truth_nothing_is_chosen(scene):
    maps, truth, shown, _ = scene
    levels = count_levels(maps, {"exact": np.zeros_like(truth)}, PX)
    rules = apply_rules(levels, "exact", shown, np.arange(12) < 6)
    for name in ("fraction", "validation"):
        assert math.isnan(rules[name].threshold) and (rules[name].counts == 0).all()
    assert math.isnan(oracle(levels, "exact", shown, shown).threshold)
    assert math.isnan(rules["validation"].scores(shown)["jaccard"])


def test_without_truth_on_validation_tiles_the_score_of_a_chosen_threshold_is_undefined(scene):
    maps, truth, shown, _ = scene
    validation = np.arange(12) < 6
    levels = count_levels(maps, {"exact": truth & ~validation[:, None, None]}, PX)
    rules = apply_rules(levels, "exact", shown, validation)
    for name in ("fraction", "validation"):
        assert np.isnan([*rules[name].scores(~validation).values()]).all()  # not 0: no rule was tried and failed
        assert np.isnan(rules[name].levels).all()
    assert rules["fixed"].scores(~validation)["jaccard"] >= 0
