"""One pass over tiles: its measures are those of the single functions, pool, join and do not depend on the order."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.metrics.geometry import upsample
from stages.metrics.pointing import pointing_hits, weighting_game
from stages.metrics.thesis import pixel_counts, pixel_scores, scale_to_255, thesis_prediction
from stages.scoring.localisation import (
    MEANS,
    SCORES,
    Pool,
    defined_mean,
    frames_of,
    join_measures,
    measure_tiles,
)

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


def empty_pool(scene):
    return Pool.empty(scene[1], frames_of([scene[0]]))


def measured(scene, rows=slice(None), **more):
    maps, truths, probability = scene
    chosen = {kind: truth[rows] for kind, truth in truths.items()}
    return measure_tiles(maps[rows], chosen, probability[rows], cell_px=CELL_PX, offset_px=OFFSET_PX, **more)


@pytest.mark.parametrize("kind", ["boxes", "exact"])
def test_measures_are_those_of_the_single_functions(scene, kind):
    maps, truths, probability = scene
    found, truth = measured(scene)[kind], truths[kind]
    for setting in range(3):
        native = maps[:, setting]
        heatmaps = upsample(native, PX, CELL_PX, OFFSET_PX)
        np.testing.assert_array_equal(
            found.counts[:, setting], pixel_counts(thesis_prediction(heatmaps, probability), truth)
        )
        np.testing.assert_array_equal(found.hits[:, setting], pointing_hits(native, truth, CELL_PX, OFFSET_PX))
        near = pointing_hits(native, truth, CELL_PX, OFFSET_PX, 15)
        np.testing.assert_array_equal(found.means["pointing_game_near"][:, setting], near)
        np.testing.assert_allclose(
            found.means["weighting_game"][:, setting], weighting_game(heatmaps, truth), rtol=1e-5
        )
        for tile in range(11):
            value = found.means["tile_average_precision"][tile, setting]
            if tile == 3 or (tile, setting) == (4, 1):
                assert math.isnan(value)
            else:
                theirs = average_precision_score(truth[tile].ravel(), heatmaps[tile].ravel())
                assert value == pytest.approx(theirs, abs=1e-4)
    np.testing.assert_allclose(found.area, truth.mean(axis=(1, 2)))
    assert found.regions.tolist() == [1, 1, 1, 0] + [1] * 7


def test_every_mean_is_measured(scene):
    for kind in ("boxes", "exact"):
        assert not any(np.isnan(values).all() for values in measured(scene)[kind].means.values())


def test_a_pool_gives_the_scores_of_all_its_pixels(scene):
    maps, truths, probability = scene
    pool = empty_pool(scene)
    for rows in (slice(0, 6), slice(6, 11)):
        measured(scene, rows, pool=pool)
    for setting in range(3):
        raw = upsample(maps[:, setting], PX, CELL_PX, OFFSET_PX)
        gated = scale_to_255(raw) * probability[:, None, None]
        for scale, values in (("raw", raw), ("gated", gated)):
            for kind, truth in truths.items():
                found = pool.histograms[kind, scale]
                ours = found.average_precision()[setting], found.auroc()[setting]
                theirs = (
                    average_precision_score(truth.ravel(), values.ravel()),
                    roc_auc_score(truth.ravel(), values.ravel()),
                )
                assert ours == pytest.approx(theirs, abs=3e-4)
    assert (pool.histograms["boxes", "raw"].inside.sum(axis=-1) == truths["boxes"].sum()).all()
    np.testing.assert_allclose(pool.histograms["boxes", "raw"].regions.sum(axis=-1), 10)


def test_threads_change_nothing(scene):
    one, two = empty_pool(scene), empty_pool(scene)
    alone, together = measured(scene, pool=one), measured(scene, pool=two, workers=2)
    for key, expected in one.histograms.items():
        np.testing.assert_array_equal(two.histograms[key].outside, expected.outside)
        np.testing.assert_array_equal(two.histograms[key].regions, expected.regions)
    for name in MEANS:
        np.testing.assert_array_equal(together["exact"].means[name], alone["exact"].means[name])


def test_measures_join_pool_and_do_not_depend_on_the_order(scene):
    maps, truths, probability = scene
    whole = measured(scene)["boxes"]
    joined = join_measures([measured(scene, slice(0, 3)), measured(scene, slice(3, 11))])["boxes"]
    np.testing.assert_array_equal(joined.counts, whole.counts)
    for name in MEANS:
        np.testing.assert_array_equal(joined.means[name], whole.means[name])
    assert (whole.counts.sum(axis=2) == PX**2).all()

    order = np.random.default_rng(1).permutation(11)
    mixed = measured((maps[order], {kind: truth[order] for kind, truth in truths.items()}, probability[order]))["boxes"]
    every = np.ones(11, bool)
    assert repr(mixed.scores(every)) == repr(whole.scores(every))
    some = np.arange(11) < 2
    assert whole.scores(some)[1]["f1"] == pixel_scores(whole.counts[:2, 1])["f1"]
    assert tuple(whole.scores(some)[0]) == SCORES


def test_undefined_tiles_are_counted_and_others_can_be_left_out(scene):
    found = measured(scene)["boxes"]
    every = np.ones(11, bool)
    assert found.undefined(every) == [{"empty_truths": 1, "constant_maps": count} for count in (0, 1, 0)]
    left = found.only(np.arange(11) < 2)
    assert np.isnan(left.hits[2:]).all() and not np.isnan(left.hits[:2]).any()
    np.testing.assert_array_equal(left.counts, found.counts)


def test_a_perfect_heatmap_scores_one_on_a_blocky_truth():
    truth = np.zeros((1, 8, 8), bool)
    truth[0, :4, :4] = True
    found = measure_tiles(truth[:, None].astype(np.float32), {"exact": truth}, np.array([0.9]))["exact"]
    assert found.scores(np.array([True])) == [dict.fromkeys(SCORES, 1)]


def test_without_truth_nothing_is_measured_and_shapes_must_fit():
    assert measure_tiles(np.zeros((2, 1, 3, 3)), {}, np.ones(2)) == {}
    assert join_measures([{}, {}]) == {}
    for truth, probability in ((np.zeros((3, 9, 9), bool), np.ones(2)), (np.zeros((2, 9, 9), bool), np.ones(3))):
        with pytest.raises(ValueError, match="do not fit"):
            measure_tiles(np.zeros((2, 1, 3, 3)), {"boxes": truth}, probability)
    with pytest.raises(ValueError, match="do not fit"):
        measure_tiles(np.zeros((2, 3, 3)), {"boxes": np.zeros((2, 9, 9), bool)}, np.ones(2))


def test_the_mean_of_what_is_defined():
    assert defined_mean(np.array([1, np.nan, 0])) == 0.5
    assert math.isnan(defined_mean(np.array([np.nan])))
