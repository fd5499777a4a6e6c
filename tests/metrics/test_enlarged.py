"""Scores of ranked pixels look at the order of values: of any scale and offset, on flat maps as on steep ones."""

import cv2
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.metrics.enlarged import EnlargedMaps, Frame, TruePixels
from stages.metrics.geometry import bilinear_weights
from stages.metrics.table import PixelHistograms, metrics_of
from stages.scoring.measure import all_scores
from tests.scoring.scenes import measured

PX, CELL_PX, OFFSET_PX = 48, 8.0, 0.0
AFFINE = {
    "as it is": (1.0, 0.0),
    "tiny": (1e-8, 0.0),
    "huge": (1e5, 0.0),
    "flat": (1e-6, 0.02),
    "negative": (1e-3, -50.0),
}


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Sixty tiles with blobs in every third, and maps of 6 x 6 cells in noise that half see them: float64."""
    rng = np.random.default_rng(5)
    truth = np.zeros((60, PX, PX), np.uint8)
    for tile in range(0, 60, 3):
        for _ in range(2):
            cv2.circle(truth[tile], rng.integers(0, PX, 2).tolist(), int(rng.integers(2, 7)), 1, -1)
    seen = truth.reshape(60, 6, 8, 6, 8).mean(axis=(2, 4))
    return 2 * seen + rng.normal(0, 0.4, seen.shape), truth.view(bool)


def scored(maps: np.ndarray, truth: np.ndarray, probability: np.ndarray | None = None) -> dict[str, float]:
    """Return tile average precision and every score of pooled pixels, of float32 maps as `MethodMaps.read` gives."""
    sure = np.full(len(maps), 0.9) if probability is None else probability
    own = measured(maps.astype(np.float32)[:, None], {"exact": truth}, sure, CELL_PX, OFFSET_PX)
    (scores,) = all_scores({"net": own})["net", "exact"]
    return {name: scores[name] for name in ("tile_average_precision", *metrics_of(PixelHistograms))}


def exact_pixels(maps: np.ndarray) -> np.ndarray:
    """Enlarge in float64, rounding nothing."""
    weights = bilinear_weights(6, PX, CELL_PX, OFFSET_PX).astype(np.float64)
    return weights @ maps @ weights.T


def sorted_aupro(values: np.ndarray, truth: np.ndarray, limit: float = 0.3) -> float:
    """Per-region overlap over false positive rate, from all pixels sorted one by one."""
    share, regions = np.zeros(truth.shape), 0
    for tile, mask in enumerate(truth):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += count - 1
        for label in range(1, count):
            share[tile][labels == label] = 1 / (labels == label).sum()
    order = np.argsort(-values.ravel(), kind="stable")
    overlap = np.concatenate([[0], np.cumsum(share.ravel()[order]) / regions])
    rate = np.concatenate([[0], np.cumsum(~truth.ravel()[order]) / (~truth).sum()])
    last = int(np.searchsorted(rate, limit, side="right"))
    end = overlap[last - 1]
    return float(np.trapezoid([*overlap[:last], end], [*rate[:last], limit]) / limit)


def test_all_are_those_of_pixels_sorted_without_any_rounding(scene):
    maps, truth = scene
    pixels, found = exact_pixels(maps), scored(maps, truth)
    single = [average_precision_score(truth[tile].ravel(), pixels[tile].ravel()) for tile in range(0, 60, 3)]
    assert found["tile_average_precision"] == pytest.approx(np.mean(single), abs=1e-5)
    assert found["pixel_average_precision"] == pytest.approx(
        average_precision_score(truth.ravel(), pixels.ravel()), abs=3e-4
    )
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(truth.ravel(), pixels.ravel()), abs=3e-5)
    assert found["aupro"] == pytest.approx(sorted_aupro(pixels, truth), abs=3e-4)


@pytest.mark.parametrize("name", AFFINE)
def test_no_scale_or_offset_of_all_maps_moves_a_score(scene, name):
    maps, truth = scene
    factor, shift = AFFINE[name]
    # float32 holds 0.02 + 0.000001 v in steps of 0.002, as far as v is concerned: what it loses no score can know
    tolerance = 2e-3 if shift else 2e-5
    changed, expected = scored(factor * maps + shift, truth), scored(maps, truth)
    assert changed == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", AFFINE)
def test_one_tile_may_have_any_scale_of_its_own(scene, name):
    """Average precision of a tile compares its own pixels only, and so do the masks behind the gated scores."""
    maps, truth = scene
    factor, shift = AFFINE[name]
    other = maps.copy()
    other[:30] = factor * maps[:30] + shift
    changed, expected = scored(other, truth), scored(maps, truth)
    for score in ("tile_average_precision", "gated_aupro", "gated_pixel_average_precision", "gated_pixel_auroc"):
        assert changed[score] == pytest.approx(expected[score], abs=2e-3), score
    if name != "as it is":
        assert abs(changed["pixel_average_precision"] - expected["pixel_average_precision"]) > 0.02


def test_a_heavy_tail_does_not_make_all_other_values_one(scene):
    maps, truth = scene
    maps = maps.copy()
    maps[1, 0, 0] = 1e4  # one cell, far above all others, on a good tile
    pixels = exact_pixels(maps)
    assert scored(maps, truth)["pixel_average_precision"] == pytest.approx(
        average_precision_score(truth.ravel(), pixels.ravel()), abs=1e-3
    )


def test_a_random_map_scores_what_chance_does():
    rng = np.random.default_rng(0)
    truth = np.zeros((400, PX, PX), bool)
    for tile in range(0, 400, 4):
        y, x = rng.integers(0, PX - 6, 2)
        truth[tile, y : y + 6, x : x + 6] = True
    maps, probability = rng.random((400, 6, 6)), np.where(np.arange(400) % 4, 0.1, 0.9)
    found = scored(maps, truth, probability)
    assert found["aupro"] == pytest.approx(0.15, abs=0.02)  # the diagonal up to a rate of 0.3
    assert found["pixel_auroc"] == pytest.approx(0.5, abs=0.05)
    assert found["pixel_average_precision"] == pytest.approx(truth.mean(), abs=0.002)
    assert found["gated_aupro"] > 0.6  # what the classifier adds


def test_tiles_of_a_sure_classifier_are_still_told_apart():
    """Gated by 1e-9 and 1e-7: float16 as it is would make 0 of both."""
    native = np.random.default_rng(0).random((2, 6, 6)).astype(np.float32)
    bins = EnlargedMaps(native, PX, CELL_PX, OFFSET_PX, np.array([1e-9, 1e-7])).bins("gated")
    assert len(np.unique(bins[0])) > 400
    assert np.median(bins[0]) < np.median(bins[1])


def test_the_pixels_of_a_plateau_are_equal_though_enlarging_rounds_them():
    inside = np.zeros((50, 50), bool)
    inside[:37, :20] = True  # between the centres of cells that are alike
    rounded = 0
    for value in np.linspace(0.3, 1.7, 15, dtype=np.float32):
        native = np.zeros((1, 6, 6), np.float32)
        native[0, :, :3], native[0, 5, 5] = value, 1.9
        values = EnlargedMaps(native, 50)
        assert len(np.unique(values.keys(0)[0][inside.ravel()])) == 1
        rounded += len(np.unique(values.places[0][inside.ravel()])) > 1
    assert rounded > 5


def test_raw_values_are_pooled_in_one_frame_only():
    assert Frame.of(np.array([-1.0, 0.0]), np.array([0.5, 0.0]), np.array([2.0, 3.0])) == Frame(0.25, 2.75)
    assert Frame.of(np.zeros(0), np.zeros(0), np.zeros(0)) == Frame(0, 0)
    with pytest.raises(ValueError, match="nothing says where they lie"):
        EnlargedMaps(np.zeros((1, 6, 6), np.float32), PX).bins("raw")
    with pytest.raises(ValueError, match="probability of a defect, but there is none"):
        EnlargedMaps(np.zeros((1, 6, 6), np.float32), PX).bins("gated")
    constant = EnlargedMaps(np.full((2, 6, 6), 3, np.float32), PX, CELL_PX, OFFSET_PX, np.ones(2), Frame(3.0, 0.0))
    assert len(np.unique(constant.bins("raw"))) == 1


def test_the_pixels_of_a_truth_are_found_summed_and_searched_tile_by_tile():
    truth = np.zeros((3, 4, 4), bool)
    truth[0, 1, 2] = truth[0, 3, 3] = truth[2, 0, 1] = True
    pixels = TruePixels(truth)
    assert pixels.area_px.tolist() == [2, 0, 1] and pixels.tile.tolist() == [0, 0, 2]
    assert [pixels.of_tile(tile).tolist() for tile in range(3)] == [[6, 15], [], [1]]
    assert [part.tolist() for part in pixels.rows_columns] == [[1, 3, 0], [2, 3, 1]]
    assert pixels.sums(np.array([1.0, 2.0, 5.0])).tolist() == [3, 0, 5]
    assert pixels.lowest(np.array([4.0, 2.0, 5.0])).tolist() == [2, np.inf, 5]
    assert TruePixels(truth[1:2]).lowest(np.zeros(0)).tolist() == [np.inf]
