"""Coarse histograms by image: those of its pixels, and all of them together score as the whole."""

import numpy as np
import pytest

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.histograms import Histograms, quantile_bins
from stages.metrics.table import PixelHistograms, metrics_of
from stages.scoring.images import CoarseHistograms, of_setting
from tests.scoring.scenes import measured

PX = 32
IMAGES = np.array([0, 0, 0, 1, 2, 2, 2, 2, 3, 3])
WHOLE = [slice(0, 3), slice(3, 4), slice(4, 8), slice(8, 10)]  # each image at once


@pytest.fixture(scope="module")
def scene():
    """Ten tiles of four images, the last of them without any truth; and the pool of their pixels."""
    rng = np.random.default_rng(1)
    maps = rng.normal(0, 1, (10, 1, 4, 4)).astype(np.float32)
    boxes = np.zeros((10, PX, PX), bool)
    for tile in range(8):
        y, x = rng.integers(0, PX - 8, 2)
        boxes[tile, y : y + 8, x : x + 8] = True
    exact = boxes.copy()
    exact[:, ::2] = False
    truths, probability = {"boxes": boxes, "exact": exact}, rng.random(10)
    return maps, truths, probability, measured(maps, truths, probability)


def added(scene, pieces):
    maps, truths, probability, all_tiles = scene
    whole = {key: of_setting(own, 0) for key, own in all_tiles.histograms.items()}
    coarse = {key: CoarseHistograms(4, own) for key, own in whole.items()}
    for rows in pieces:
        enlarged = EnlargedMaps(maps[rows, 0], PX, None, 0.0, probability[rows], all_tiles.frames[0])
        for (truth, scale), own in coarse.items():
            pixels = TruePixels(truths[truth][rows])
            own.add(IMAGES[rows][0], enlarged.bins(scale), enlarged.totals(scale), pixels)
    return {key: own.of for key, own in coarse.items()}, whole


def test_the_images_together_are_the_whole(scene):
    found, whole = added(scene, WHOLE)
    for (truth, scale), own in found.items():
        coarse = quantile_bins(whole[truth, scale])
        for part in ("inside", "outside", "regions"):
            expected = np.bincount(coarse, weights=getattr(whole[truth, scale], part))
            np.testing.assert_allclose(getattr(own, part).sum(axis=0), expected, rtol=1e-12, atol=1e-12)
        area = scene[1][truth].sum(axis=(1, 2))
        assert own.inside.sum(axis=1).tolist() == np.bincount(IMAGES, weights=area).tolist()
        assert (own.inside + own.outside).sum(axis=1).tolist() == (np.bincount(IMAGES) * PX**2).tolist()


@pytest.mark.parametrize("metric", metrics_of(PixelHistograms))
@pytest.mark.parametrize("truth", ["boxes", "exact"])
def test_scores_of_coarse_histograms_are_close(scene, metric, truth):
    found, whole = added(scene, WHOLE)
    own = metrics_of(PixelHistograms)[metric]
    parts = found[truth, own.scale]
    near = own.of(Histograms(parts.inside.sum(axis=0), parts.outside.sum(axis=0), parts.regions.sum(axis=0)))
    assert near == pytest.approx(own.of(whole[truth, own.scale]), abs=1e-3)


def test_an_image_may_be_added_in_pieces(scene):
    once, _ = added(scene, WHOLE)
    pieces, _ = added(scene, [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 8), slice(8, 10)])
    for key, own in once.items():
        np.testing.assert_array_equal(pieces[key].inside, own.inside)
        np.testing.assert_array_equal(pieces[key].outside, own.outside)
        np.testing.assert_allclose(pieces[key].regions, own.regions)
