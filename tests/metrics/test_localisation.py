"""The thesis' rule, its scores and the pointing game: values worked by hand, properties, undefined cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.geometry import upsample
from stages.metrics.localisation import defined_mean, join_measures, measure_tiles
from stages.metrics.pointing import pointing_hits
from stages.metrics.thesis import PIXEL_SCORES, pixel_counts, pixel_scores, thesis_prediction


def test_upsample_is_bilinear_with_aligned_pixel_centres():
    tall = upsample(np.array([[[0.0, 1.0], [2.0, 3.0]]]), 4)
    # centres at (i + 0.5) / 2 - 0.5 = -0.25, 0.25, 0.75, 1.25 of the small map, clamped to 0..1
    along = np.array([0, 0.25, 0.75, 1])
    np.testing.assert_allclose(tall[0], 2 * along[:, None] + along[None, :])


@given(st.floats(-1e4, 1e4, width=16))
def test_a_constant_map_stays_constant(value):
    tall = upsample(np.full((1, 3, 3), value, np.float16), 10)
    assert tall.shape == (1, 10, 10)
    assert (tall == np.float32(value)).all()


def test_cells_keep_their_extent_where_they_reach_beyond_the_tile():
    # Two cells of 4 px make 8 px: centres at 1.5 and 5.5. Of a tile of 6 px, pixels 0 and 1 lie left of the first
    # centre (value 0), pixel 2 is an eighth of the way to the second, 3 three eighths, 4 five eighths, 5 seven eighths.
    tall = upsample(np.array([[[0.0, 8.0], [0.0, 8.0]]]), 6, cell_px=4)
    np.testing.assert_allclose(tall[0], np.tile([0, 0, 1, 3, 5, 7], (6, 1)), atol=1e-5)
    squeezed = upsample(np.array([[[0.0, 8.0], [0.0, 8.0]]]), 6)
    np.testing.assert_array_equal(upsample(np.array([[[0.0, 8.0], [0.0, 8.0]]]), 6, cell_px=3), squeezed)


def test_prediction_is_above_and_not_at_the_threshold():
    values = np.array([[[0, 127], [128, 255]]], float)
    assert thesis_prediction(values, np.array([0.9])).tolist() == [[[False, False], [True, True]]]
    # any linear change of the heatmap gives the same mask: 2 v + 10
    assert thesis_prediction(2 * values + 10, np.array([0.9])).tolist() == [[[False, False], [True, True]]]
    assert thesis_prediction(values, np.array([0.9]), intensity_threshold=126).sum() == 3


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_a_tile_called_good_is_black(probability):
    assert not thesis_prediction(np.array([[[0.0, 1.0]]]), np.array([probability])).any()


def test_a_constant_map_is_black():
    assert not thesis_prediction(np.full((1, 4, 4), 3.0), np.array([1.0])).any()


def test_counts_and_scores_exact():
    prediction = np.array([[[1, 1, 0], [1, 0, 0]], [[0, 0, 0], [0, 0, 0]]], bool)
    truth = np.array([[[1, 0, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 1]]], bool)
    counts = pixel_counts(prediction, truth)
    assert counts.tolist() == [[2, 1, 1, 2], [0, 0, 1, 5]]  # TP, FP, FN, TN
    # pooled: TP 2, FP 1, FN 2, TN 7
    assert pixel_scores(counts) == {
        "f1": pytest.approx(4 / 7),
        "precision": pytest.approx(2 / 3),
        "jaccard": pytest.approx(2 / 5),
        "accuracy": pytest.approx(9 / 12),
        "recall": pytest.approx(2 / 4),
    }


def test_shapes_must_match():
    with pytest.raises(ValueError, match="prediction is"):
        pixel_counts(np.zeros((1, 2, 2), bool), np.zeros((1, 2, 3), bool))


counts_of_pixels = st.lists(st.integers(0, 10**9), min_size=4, max_size=4)


@given(counts_of_pixels)
def test_scores_agree_with_each_other(counts):
    scores = pixel_scores(np.array(counts))
    f1, precision, recall = scores["f1"], scores["precision"], scores["recall"]
    assert set(scores) == set(PIXEL_SCORES)
    assert all(math.isnan(value) or 0 <= value <= 1 for value in scores.values())
    if math.isnan(f1):
        assert math.isnan(scores["jaccard"])
    else:
        assert scores["jaccard"] == pytest.approx(f1 / (2 - f1))
    if precision + recall > 0:  # false where one of them is NaN
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_undefined_scores_are_nan():
    nothing_there_nothing_said = pixel_scores(np.array([0, 0, 0, 9]))
    assert nothing_there_nothing_said["accuracy"] == 1
    assert all(math.isnan(nothing_there_nothing_said[name]) for name in PIXEL_SCORES if name != "accuracy")
    nothing_said = pixel_scores(np.array([0, 0, 4, 5]))
    assert math.isnan(nothing_said["precision"])
    assert (nothing_said["f1"], nothing_said["recall"]) == (0, 0)
    assert all(math.isnan(value) for value in pixel_scores(np.zeros((0, 4), int)).values())


def test_pointing_game_hit_miss_first_maximum_and_undefined():
    truth = np.zeros((5, 2, 2), bool)
    truth[:4, 0, 1] = True
    heatmaps = np.array(
        [
            [[0, 9], [1, 2]],  # hit
            [[0, 1], [9, 2]],  # miss
            [[9, 9], [0, 0]],  # two maxima: the first is outside
            [[4, 4], [4, 4]],  # constant
            [[0, 9], [1, 2]],  # no truth
        ],
        float,
    )
    hits = pointing_hits(heatmaps, truth)
    np.testing.assert_array_equal(hits, [1, 0, 0, np.nan, np.nan])
    assert defined_mean(hits) == pytest.approx(1 / 3)
    assert math.isnan(defined_mean(np.array([np.nan])))


def test_pointing_at_the_centre_of_a_coarse_cell():
    maps = np.array([[[0.0, 1.0], [0.0, 0.0]]])  # the upper right cell: rows 0..7, columns 8..15 of 16 px
    truth = np.zeros((1, 16, 16), bool)
    truth[0, 4, 12] = True
    assert pointing_hits(maps, truth).tolist() == [1]
    assert pointing_hits(maps, np.roll(truth, 1, axis=1)).tolist() == [0]
    # cells of 10 px: the centre of the second lies at 15
    assert pointing_hits(maps, np.roll(truth, (1, 3), axis=(1, 2)), cell_px=10).tolist() == [1]


def test_measures_join_pool_and_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    maps, truth = rng.random((7, 2, 3, 3), dtype=np.float32), {"boxes": rng.random((7, 12, 12)) > 0.7}
    probability = rng.random(7)
    whole = measure_tiles(maps, truth, probability)["boxes"]
    pieces = [
        measure_tiles(maps[piece], {"boxes": truth["boxes"][piece]}, probability[piece])
        for piece in (slice(0, 3), slice(3, 7))
    ]
    joined = join_measures(pieces)["boxes"]
    np.testing.assert_array_equal(joined.counts, whole.counts)
    np.testing.assert_array_equal(joined.hits, whole.hits)
    assert (whole.counts.sum(axis=2) == 144).all()
    np.testing.assert_allclose(whole.area, truth["boxes"].mean(axis=(1, 2)))

    order = rng.permutation(7)
    mixed = measure_tiles(maps[order], {"boxes": truth["boxes"][order]}, probability[order])["boxes"]
    assert mixed.scores(np.ones(7, bool)) == whole.scores(np.ones(7, bool))
    some = np.arange(7) < 2
    assert whole.scores(some)[1]["f1"] == pixel_scores(whole.counts[:2, 1])["f1"]


def test_a_perfect_heatmap_scores_one_on_a_blocky_truth():
    truth = np.zeros((1, 8, 8), bool)
    truth[0, :4, :4] = True
    measured = measure_tiles(truth[:, None].astype(np.float32), {"exact": truth}, np.array([0.9]))["exact"]
    assert measured.scores(np.array([True])) == [
        {"f1": 1, "precision": 1, "jaccard": 1, "accuracy": 1, "recall": 1, "pointing_game": 1}
    ]


def test_without_truth_nothing_is_measured():
    assert measure_tiles(np.zeros((2, 1, 3, 3)), {}, np.ones(2)) == {}
    assert join_measures([{}, {}]) == {}
