"""The statistics that new photographs are held against: values by hand."""

import numpy as np
import pytest

from stages.exports.metadata import Thresholds
from stages.exports.reference import (
    defect_probability,
    lit_shares,
    picture_statistics,
    reference_of,
    statistics,
)

THRESHOLDS = Thresholds(0.5, "validation", 100.0, "validation")
BINARY = ("good", "defective")


def test_statistics_by_hand() -> None:
    found = statistics(np.array([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert found.mean == 2 and found.std == pytest.approx(2**0.5, rel=1e-6)
    assert found.quantiles == {"0.01": 0.04, "0.05": 0.2, "0.25": 1, "0.5": 2, "0.75": 3, "0.95": 3.8, "0.99": 3.96}


def test_lit_share_is_of_cells_within_the_maps_own_range_and_of_called_tiles_alone() -> None:
    # scaled to 0..255 the middle cell of the first map is 127.5 > 100, of the second 51
    heatmaps = np.array(
        [[[-1.0, 0.0, 1.0, 1.0]], [[0.0, 2.0, 10.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]], [[0.0, 9.0, 9.0, 9.0]]]
    )
    assert lit_shares(heatmaps, np.array([0.9, 0.6, 0.9, 0.5]), THRESHOLDS).tolist() == [0.75, 0.25, 0.0, 0.0]


def test_brightness_and_sharpness() -> None:
    tiles = np.zeros((2, 8, 8, 3), np.uint8)
    tiles[0] = 51
    tiles[1, :, ::2] = 255  # stripes of one pixel: the Laplacian is +-510
    found = picture_statistics(tiles)
    assert found["brightness"].tolist() == [0.2, 0.5]
    assert found["sharpness"].tolist() == [0.0, 510.0**2]


def test_no_class_of_good_means_a_defect_for_sure() -> None:
    assert defect_probability(np.array([[0.25, 0.75]]), ("hole", "short")).tolist() == [1.0]
    assert defect_probability(np.array([0.25]), BINARY).tolist() == [0.25]


def test_features_are_standardised_and_one_that_never_varies_does_not_count_for_infinity() -> None:
    features = np.array([[0.0, 5.0], [2.0, 5.0]], np.float32)
    outputs = {"probability": np.array([0.1, 0.9]), "heatmap": np.zeros((2, 1, 2)), "features": features}
    found = reference_of(outputs, {"brightness": np.ones(2), "sharpness": np.ones(2)}, BINARY, THRESHOLDS)
    assert found.feature_mean == (1.0, 5.0) and found.feature_std[0] == 1.0 and 0 < found.feature_std[1] < 1e-3
    assert found.feature_distance.mean == pytest.approx(0.5**0.5, rel=1e-6) and found.feature_distance.std == 0
    assert found.tiles == 2 and found.probability.mean == 0.5
