"""Thresholds: counts from levels are counts of masks, Otsu as OpenCV's, choices that see validation tiles only."""

import math

import cv2
import numpy as np
import pytest

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.geometry import upsample
from stages.metrics.pixel_counts import mean_iou, pixel_scores
from stages.metrics.thesis import scale_to_255, thesis_prediction
from stages.metrics.thresholds import (
    FRACTIONS,
    RULES,
    Levels,
    apply_rules,
    best_level,
    choose_thresholds,
    count_levels,
    fraction_levels,
    join_levels,
    otsu_levels,
    scores_by_threshold,
    threshold_scores,
)
from tests.metrics.masks import counts_of_masks

PX = 24


def levels_of(maps, truth, shown, rows=slice(None), px=PX):
    true = {} if truth is None else {"exact": TruePixels(truth[rows])}
    return count_levels(EnlargedMaps(maps[rows], px), true, shown[rows])


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
    return maps, truth, shown, levels_of(maps, truth, shown)


@pytest.mark.parametrize("threshold", [0, 60, 127, 254])
def test_counts_from_levels_are_those_of_masks(scene, threshold):
    maps, truth, shown, levels = scene
    masks = thesis_prediction(upsample(maps, PX), shown.astype(float), threshold)
    np.testing.assert_array_equal(levels.counts("exact", threshold), counts_of_masks(masks, truth))


def test_each_tile_may_have_its_own_threshold_and_chunks_join(scene):
    maps, truth, shown, _ = scene
    thresholds = np.arange(12) * 20.0
    masks = (scale_to_255(upsample(maps, PX)) > thresholds[:, None, None]) & shown[:, None, None]
    pieces = [levels_of(maps, truth, shown, rows) for rows in (slice(0, 5), slice(5, 12))]
    np.testing.assert_array_equal(join_levels(pieces).counts("exact", thresholds), counts_of_masks(masks, truth))


def test_scores_by_threshold_are_those_of_the_counts_at_each(scene):
    maps, truth, shown, _ = scene
    levels = levels_of(maps, truth, shown, slice(4, 12))  # the constant tile and the one that is not shown among them
    curve = scores_by_threshold(levels, "exact")
    assert len(curve) == 255
    for threshold in (0, 1, 100, 127, 254):
        assert curve[threshold] == pixel_scores(levels.counts("exact", threshold))
    nobody = scores_by_threshold(levels_of(maps, truth, np.zeros(12, bool)), "exact")
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
    maps, _, _, levels = scene
    heatmaps = upsample(maps, PX)
    exact = heatmaps > fraction * heatmaps.max(axis=(1, 2), keepdims=True)
    exact[[10, 11]] = False
    counts = levels.counts("exact", fraction_levels(levels, fraction))
    ours, theirs = counts[:, 0] + counts[:, 1], exact.sum(axis=(1, 2))
    # rounded down to a 255th of the tile's range: a few pixels more
    assert (ours >= theirs).all() and (ours - theirs).max() <= 0.02 * PX**2


def test_fraction_where_all_pixels_are_above_and_where_none_is_positive():
    levels = levels_of(np.array([[[4.0, 5.0]], [[-2.0, -1.0]]]), None, np.ones(2, bool), px=4)
    assert fraction_levels(levels, 0.5).tolist() == [-1, 255]


def test_best_level_is_the_best_of_all_tried(scene):
    levels = scene[3]
    ious = [pixel_scores(levels.counts("exact", level))["jaccard"] for level in range(255)]
    assert best_level(levels, "exact") == int(np.argmax(ious))


def test_choices_are_made_on_validation_tiles_and_the_oracle_is_not_below_them(scene):
    maps, truth, shown, _ = scene
    validation, scored = (levels_of(maps, truth, shown, rows) for rows in (slice(0, 6), slice(6, 12)))
    chosen = choose_thresholds(validation, "exact")
    ious = [pixel_scores(validation.counts("exact", fraction_levels(validation, own)))["jaccard"] for own in FRACTIONS]
    assert chosen.fraction == FRACTIONS[int(np.argmax(ious))]
    assert chosen.level == best_level(validation, "exact")
    rules = apply_rules(scored, "exact", chosen)
    assert tuple(rules) == RULES
    np.testing.assert_array_equal(rules["fixed"], scored.counts("exact", 127))
    np.testing.assert_array_equal(rules["validation"], scored.counts("exact", chosen.level))
    scores = threshold_scores(scored, "exact", chosen, rules)
    for name in RULES:
        assert scores[f"{name}_iou"] == mean_iou(rules[name])["foreground_iou"]
    assert scores["validation_threshold"] == chosen.level
    assert scores["oracle_iou"] >= max(scores["fixed_iou"], scores["validation_iou"])
    assert scores["oracle_gap"] == scores["oracle_iou"] - scores["validation_iou"]


def test_without_truth_on_validation_tiles_the_score_of_a_chosen_threshold_is_undefined(scene):
    maps, truth, shown, _ = scene
    validation = levels_of(maps, np.zeros_like(truth), shown, slice(0, 6))
    scored = levels_of(maps, truth, shown, slice(6, 12))
    chosen = choose_thresholds(validation, "exact")
    assert math.isnan(chosen.level) and math.isnan(chosen.fraction)
    rules = apply_rules(scored, "exact", chosen)
    scores = threshold_scores(scored, "exact", chosen, rules)
    for name in ("fraction", "validation"):
        assert (rules[name] == 0).all() and math.isnan(scores[f"{name}_iou"])  # not 0: no rule was tried and failed
    assert math.isnan(scores["validation_mean_iou"]) and math.isnan(scores["oracle_gap"])
    assert scores["fixed_iou"] >= 0


def test_without_truth_on_scored_tiles_the_best_level_is_undefined(scene):
    maps, truth, shown, _ = scene
    levels = levels_of(maps, np.zeros_like(truth), shown)
    assert math.isnan(best_level(levels, "exact"))


def test_levels_are_kept_in_few_bytes(scene):
    levels: Levels = scene[3]
    assert levels.every.dtype == levels.inside["exact"].dtype == np.uint16
    assert (levels.every.sum(axis=1) == PX**2).all()
