"""The pointing game, with and without tolerance: hits, misses, undefined cases."""

import numpy as np
import pytest

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.pointing import pointing_game


def pointing_hits(maps, truth, cell_px=None, offset_px=0.0, tolerance_px=0.0):
    enlarged = EnlargedMaps(maps, truth.shape[1], cell_px, offset_px)
    return pointing_game(enlarged, TruePixels(truth), tolerance_px)


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
    np.testing.assert_array_equal(pointing_hits(heatmaps, truth), [1, 0, 0, np.nan, np.nan])


def test_pointing_at_the_centre_of_a_coarse_cell():
    maps = np.array([[[0.0, 1.0], [0.0, 0.0]]])  # the upper right cell: rows 0..7, columns 8..15 of 16 px
    truth = np.zeros((1, 16, 16), bool)
    truth[0, 4, 12] = True
    assert pointing_hits(maps, truth).tolist() == [1]
    assert pointing_hits(maps, np.roll(truth, 1, axis=1)).tolist() == [0]
    # cells of 10 px: the centre of the second lies at 15
    assert pointing_hits(maps, np.roll(truth, (1, 3), axis=(1, 2)), cell_px=10).tolist() == [1]
    # moved by 2 px: row 6, column 14
    assert pointing_hits(maps, np.roll(truth, (2, 2), axis=(1, 2)), cell_px=8, offset_px=2).tolist() == [1]


@pytest.mark.parametrize(("tolerance_px", "hit"), [(0, 0), (4.9, 0), (5, 1), (15, 1)])
def test_a_near_miss_hits_with_tolerance(tolerance_px, hit):
    maps = np.array([[[0.0, 1.0], [0.0, 0.0]]])
    truth = np.zeros((1, 16, 16), bool)
    truth[0, 4 + 3, 12 - 4] = True  # 3 rows and 4 columns off: 5 px
    assert pointing_hits(maps, truth, tolerance_px=tolerance_px).tolist() == [hit]


def test_tolerance_makes_no_hit_without_truth_or_peak():
    hits = pointing_hits(np.array([[[0.0, 1.0]], [[1.0, 1.0]]]), np.zeros((2, 8, 8), bool), tolerance_px=100)
    assert np.isnan(hits).all()
