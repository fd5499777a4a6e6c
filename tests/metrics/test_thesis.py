"""The thesis' rule that makes masks of heatmaps: values worked by hand, properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.thesis import scale_to_255, thesis_prediction


def test_prediction_is_above_and_not_at_the_threshold():
    values = np.array([[[0, 127], [128, 255]]], float)
    assert thesis_prediction(values, np.array([0.9])).tolist() == [[[False, False], [True, True]]]
    # any linear change of the heatmap gives the same mask: 2 v + 10
    assert thesis_prediction(2 * values + 10, np.array([0.9])).tolist() == [[[False, False], [True, True]]]
    assert thesis_prediction(values, np.array([0.9]), intensity_threshold=126).sum() == 3


@given(st.lists(st.floats(-1e4, 1e4, width=16), min_size=2, max_size=9))
def test_scaled_values_fill_0_to_255(values):
    scaled = scale_to_255(np.array(values)[None, None])
    if min(values) < max(values):
        assert scaled.min() == 0 and 254.999 < scaled.max() <= 255
    else:
        assert (scaled == 0).all()


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_a_tile_called_good_is_black(probability):
    assert not thesis_prediction(np.array([[[0.0, 1.0]]]), np.array([probability])).any()


def test_a_constant_map_is_black():
    assert not thesis_prediction(np.full((1, 4, 4), 3.0), np.array([1.0])).any()
