"""Controls and the truth on a grid: where centre, edges and truth lie; a random map that belongs to its tile."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from stages.metrics.controls import centre_prior, edge_map, grid_truth, random_map
from stages.metrics.geometry import upsample
from stages.metrics.table import PixelHistograms, metrics_of
from stages.scoring.summary import fractions_of
from tests.scoring.scenes import measured

POOLED = dict.fromkeys(metrics_of(PixelHistograms), 0.5)


def test_the_centre_prior_peaks_in_the_middle_and_falls_by_the_formula():
    prior = centre_prior(2, 7, 7, 56)
    assert prior.shape == (2, 7, 7) and prior[0].argmax() == 24 and prior[0, 3, 3] == 1
    np.testing.assert_allclose(prior[1, 3, 4], np.exp(-(8**2) / (2 * 14**2)), rtol=1e-6)
    np.testing.assert_array_equal(prior[0], prior[0].T)
    # cells that reach beyond the tile: the tile's centre at 28 px lies between the second and third cell of 14 px
    shifted = centre_prior(1, 5, 5, 56, 14.0)[0]
    assert shifted[2, 1] == shifted[1, 2] == shifted[2, 2] and shifted[4, 4] < shifted[0, 0]


def test_a_random_map_belongs_to_its_tile_and_seed():
    maps = random_map(["a", "b", "c"], 3, 4, seed=1)
    assert maps.shape == (3, 3, 4) and ((maps >= 0) & (maps < 1)).all()
    np.testing.assert_array_equal(random_map(["c", "a"], 3, 4, seed=1), maps[[2, 0]])
    assert (random_map(["a"], 3, 4, seed=2) != maps[0]).any()


def test_edges_light_up_where_grey_changes():
    images = np.zeros((2, 16, 16, 3), np.uint8)
    images[0, :, 8:] = 100  # a vertical step between columns 7 and 8: a gradient of 4 x 100 at both
    edges = edge_map(images, 4, 4)
    np.testing.assert_allclose(edges[0], np.tile([0, 100, 100, 0], (4, 1)), rtol=1e-5)
    assert (edges[1] == 0).all()


def test_edges_are_the_same_in_threads():
    images = np.random.default_rng(0).integers(0, 256, (64, 112, 112, 3), np.uint8)
    expected = edge_map(images, 112, 112)
    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(lambda _: edge_map(images, 112, 112), range(4)):
            np.testing.assert_array_equal(found, expected)


def test_the_truth_on_a_grid_is_the_true_fraction_of_each_cell():
    truth = np.zeros((1, 8, 8), bool)
    truth[0, :4, :2] = True
    assert grid_truth(truth, 2, 2)[0].tolist() == [[0.5, 0], [0, 0]]
    assert grid_truth(truth, 8, 8)[0].tolist() == truth[0].astype(float).tolist()
    # at full resolution nothing is lost
    np.testing.assert_array_equal(upsample(grid_truth(truth, 8, 8), 8) > 0.5, truth)


def test_another_map_of_the_same_grid_can_score_higher_than_the_truth_on_it():
    truth = np.zeros((1, 32, 32), bool)
    truth[0, 4:13, 6:15] = True
    known, sure = grid_truth(truth, 4, 4), np.ones(1)

    def f1(native):
        return measured(native[:, None], {"exact": truth}, sure).scores("exact", 0)

    others = known + np.random.default_rng(0).normal(0, 0.1, (200, 4, 4)).astype(np.float32)
    fractions = [fractions_of(f1(other[None]) | POOLED, f1(known) | POOLED)["f1"] for other in others]
    assert max(fractions) > 1
    assert math.isnan(fractions_of(f1(known) | POOLED, dict.fromkeys(f1(known) | POOLED, 0.0))["f1"])
