"""One pass over tiles: it measures what single functions say and pools it, and the order of tiles does not count."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.geometry import upsample
from stages.metrics.pixel_counts import pixel_scores
from stages.metrics.pointing import pointing_game
from stages.metrics.table import SCORES, PixelHistograms, TileMean, metrics_of
from stages.metrics.thesis import scale_to_255, thesis_prediction
from stages.metrics.thresholds import apply_rules, choose_thresholds, scores_by_threshold, threshold_scores
from stages.metrics.weighting import weighting_game
from stages.scoring import measure as module
from stages.scoring.measure import all_scores, defined_mean, measure
from tests.metrics.masks import counts_of_masks
from tests.scoring.scenes import RULE, TilesInMemory, measured, method_of

PX, CELL_PX, OFFSET_PX = 40, 9.0, -1.5


@pytest.fixture(scope="module")
def scene():
    """Eleven tiles under three settings with two truths; tile 3 has none, tile 4 is constant in setting 1."""
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 1, (11, 3, 5, 5)).astype(np.float32)
    maps[4, 1] = 2
    exact = np.zeros((11, PX, PX), bool)
    boxes = np.zeros((11, PX, PX), bool)
    for tile in range(11):
        y, x = rng.integers(0, PX - 12, 2)
        exact[tile, y + 2 : y + 9, x + 2 : x + 5], boxes[tile, y : y + 12, x : x + 8] = tile != 3, tile != 3
    return maps, {"boxes": boxes, "exact": exact}, rng.random(11)


@pytest.fixture(scope="module")
def found(scene):
    return measured(*scene, CELL_PX, OFFSET_PX)


@pytest.mark.parametrize("kind", ["boxes", "exact"])
def test_what_is_measured_is_what_the_single_functions_say(scene, found, kind):
    maps, truths, probability = scene
    truth, means = truths[kind], found.means[kind]
    for setting in range(3):
        enlarged, true = EnlargedMaps(maps[:, setting], PX, CELL_PX, OFFSET_PX), TruePixels(truth)
        heatmaps = upsample(maps[:, setting], PX, CELL_PX, OFFSET_PX)
        expected = counts_of_masks(thesis_prediction(heatmaps, probability), truth)
        np.testing.assert_array_equal(found.counts[kind][:, setting], expected)
        np.testing.assert_array_equal(means["pointing_game"][:, setting], pointing_game(enlarged, true))
        near = pointing_game(enlarged, true, RULE.tolerance_px)
        np.testing.assert_array_equal(means["pointing_game_near"][:, setting], near)
        np.testing.assert_array_equal(means["weighting_game"][:, setting], weighting_game(enlarged, true))
        for tile in range(11):
            value = means["tile_average_precision"][tile, setting]
            if tile == 3 or (tile, setting) == (4, 1):
                assert math.isnan(value)
            else:
                theirs = average_precision_score(truth[tile].ravel(), heatmaps[tile].ravel())
                assert value == pytest.approx(theirs, abs=1e-4)
    assert found.constant.tolist() == [[(tile, setting) == (4, 1) for setting in range(3)] for tile in range(11)]


def test_every_mean_is_measured(found):
    for means in found.means.values():
        assert tuple(means) == tuple(metrics_of(TileMean))
        assert not any(np.isnan(values).all() for values in means.values())


def test_pooled_pixels_give_the_scores_of_all_of_them(scene, found):
    maps, truths, probability = scene
    for setting in range(3):
        raw = upsample(maps[:, setting], PX, CELL_PX, OFFSET_PX)
        gated = scale_to_255(raw) * probability[:, None, None]
        for prefix, values in (("", raw), ("gated_", gated)):
            for kind, truth in truths.items():
                scores = all_scores({"net": found})["net", kind][setting]
                ours = scores[f"{prefix}pixel_average_precision"], scores[f"{prefix}pixel_auroc"]
                pixels = truth.ravel(), values.ravel()
                assert ours == pytest.approx((average_precision_score(*pixels), roc_auc_score(*pixels)), abs=3e-4)
    assert (found.histograms["boxes", "raw"].inside.sum(axis=-1) == truths["boxes"].sum()).all()
    np.testing.assert_allclose(found.histograms["boxes", "raw"].regions.sum(axis=-1), 10)


def test_the_size_of_blocks_and_the_order_of_tiles_change_nothing(scene, found, monkeypatch):
    maps, truths, probability = scene
    order = np.random.default_rng(1).permutation(11)
    mixed = {kind: truth[order] for kind, truth in truths.items()}
    monkeypatch.setattr(module, "BLOCK_PX", 3 * PX**2)
    others = measured(maps[order], mixed, probability[order], CELL_PX, OFFSET_PX)
    np.testing.assert_array_equal(others.counts["boxes"], found.counts["boxes"][order])
    for setting in range(3):
        assert repr(others.scores("boxes", setting)) == repr(found.scores("boxes", setting))
    some = np.arange(11) < 2
    assert found.scores("boxes", 1, some)["f1"] == pixel_scores(found.counts["boxes"][:2, 1])["f1"]
    assert tuple(found.scores("boxes", 0)) == SCORES
    assert (found.counts["boxes"].sum(axis=2) == PX**2).all()


def test_good_tiles_play_no_game_but_their_pixels_count(scene, found):
    few = measured(*scene, CELL_PX, OFFSET_PX, defective=np.arange(11) < 2)
    for values in few.means["boxes"].values():
        assert np.isnan(values[2:]).all() and not np.isnan(values[:2]).any()
    np.testing.assert_array_equal(few.counts["boxes"], found.counts["boxes"])


def test_levels_and_false_alarms_are_kept_of_the_explanations_asked_for(scene):
    maps, truths, probability = scene
    good = np.arange(11) >= 5
    own = measured(
        maps, truths, probability, CELL_PX, OFFSET_PX, defective=~good, alarms={("net", 1): {"fixed": 127, "one": 30}}
    )
    assert list(own.levels_of_blocks) == [1] and set(own.lit) == {(1, "fixed"), (1, "one")}
    heatmaps = upsample(maps[:, 1], PX, CELL_PX, OFFSET_PX)
    for name, level in (("fixed", 127), ("one", 30)):
        lit = thesis_prediction(heatmaps, probability, level) & good[:, None, None]
        np.testing.assert_array_equal(own.lit[1, name][:, 0], lit.sum(axis=(1, 2)))
        counts = own.levels(1).counts("exact", level)
        expected = counts_of_masks(thesis_prediction(heatmaps, probability, level), truths["exact"])
        np.testing.assert_array_equal(counts, expected)


def test_of_validation_tiles_all_levels_are_kept_and_nothing_is_pooled(scene):
    maps, truths, probability = scene
    tiles = TilesInMemory(truths, np.ones(11, bool))
    method = method_of(maps, probability, tiles.truths, PX, CELL_PX, OFFSET_PX)
    own = measure([method], tiles, "val", RULE)["net"]
    assert list(own.levels_of_blocks) == [0, 1, 2] and not own.lit and not own.frames
    assert not set(all_scores({"net": own})["net", "exact"][0]) & set(metrics_of(PixelHistograms))


def test_tiles_without_a_truth_count_for_nothing(scene):
    """Exact masks of some tiles alone: all that is pooled is that of these tiles; boxes stay what they were."""
    maps, truths, probability = scene
    having = ~np.isin(np.arange(11), [0, 5, 10])
    exact = truths["exact"] & having[:, None, None]
    alarms = {("net", 0): {"fixed": 127}}
    place = CELL_PX, OFFSET_PX
    own = measured(maps, truths | {"exact": exact}, probability, *place, alarms=alarms, having={"exact": having})
    every = measured(maps, truths, probability, *place, alarms=alarms)
    few = measured(maps[having], {"exact": exact[having]}, probability[having], *place, alarms=alarms)
    np.testing.assert_array_equal(own.counts["exact"][having], every.counts["exact"][having])
    assert not own.counts["exact"][~having].any()
    for name, values in own.means["exact"].items():
        np.testing.assert_array_equal(values[having], every.means["exact"][name][having])
        assert np.isnan(values[~having]).all()
    assert own.scores("exact", 0) == few.scores("exact", 0)
    for scale in ("raw", "gated"):
        pooled = own.histograms["exact", scale]
        assert (pooled.inside + pooled.outside).sum(axis=1).tolist() == [int(having.sum()) * PX**2] * 3
        for metric in metrics_of(PixelHistograms).values():
            if metric.scale == scale:  # bins depend on all tiles, so that the last digits differ
                ours, alone = metric.of(pooled), metric.of(few.histograms["exact", scale])
                np.testing.assert_allclose(ours, alone, atol=2e-3)
    levels, alone = own.levels(0), few.levels(0)
    chosen = choose_thresholds(levels, "exact")
    assert chosen == choose_thresholds(alone, "exact")
    rules, of_few = (apply_rules(each, "exact", chosen) for each in (levels, alone))
    assert threshold_scores(levels, "exact", chosen, rules) == threshold_scores(alone, "exact", chosen, of_few)
    assert scores_by_threshold(levels, "exact") == scores_by_threshold(alone, "exact")
    for kept in ("counts", "means"):
        np.testing.assert_equal(getattr(own, kept)["boxes"], getattr(every, kept)["boxes"])
    np.testing.assert_array_equal(own.histograms["boxes", "raw"].outside, every.histograms["boxes", "raw"].outside)
    assert scores_by_threshold(levels, "boxes") == scores_by_threshold(every.levels(0), "boxes")


def test_a_perfect_heatmap_scores_one_on_a_blocky_truth():
    truth = np.zeros((1, 8, 8), bool)
    truth[0, :4, :4] = True
    found = measured(truth[:, None].astype(np.float32), {"exact": truth}, np.array([0.9]))
    assert found.scores("exact", 0) == dict.fromkeys(SCORES, 1)


def test_the_mean_of_what_is_defined():
    assert defined_mean(np.array([1, np.nan, 0])) == 0.5
    assert math.isnan(defined_mean(np.array([np.nan])))
