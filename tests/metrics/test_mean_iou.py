"""Mean IoU with background as a class, by every threshold."""

import numpy as np
import pytest

from stages.metrics.mean_iou import NONE, mean_iou


def test_two_tiles_by_hand():
    # tile 0 defective: 4 true pixels, of which 1 in bin 0, 3 in bin 1; 6 others, 5 in bin 0, 1 in bin 1
    # tile 1 good: 10 pixels, 8 in bin 0, 2 in bin 1
    inside, outside = np.array([[1, 3], [0, 0]]), np.array([[5, 1], [8, 2]])
    actual = np.array([0, NONE])
    scores = mean_iou(inside, outside, actual, actual, 1)
    # all lit: defect 4/10, background: 10 right of 16 true
    assert scores[0] == pytest.approx((4 / 10 + 10 / 16) / 2)
    # bin 1 lit: defect 3 of 4 + 1; background: 5 + 10 right, 1 false, 1 missed
    assert scores[1] == pytest.approx((3 / 5 + 15 / 17) / 2)
    # none lit: defect 0 of 4, background 16 of 20
    assert scores[2] == pytest.approx((0 + 16 / 20) / 2)


def test_a_tile_called_good_is_background_and_one_called_wrongly_counts_against_both():
    inside, outside = np.array([[0, 5], [0, 5]]), np.array([[5, 0], [5, 0]])
    good = mean_iou(inside, outside, np.array([0, 0]), np.array([0, NONE]), 1)
    assert good[1] == pytest.approx((5 / 10 + 10 / 15) / 2)
    wrong = mean_iou(inside, outside, np.array([0, 0]), np.array([0, 1]), 2)
    assert wrong[1] == pytest.approx((5 / 10 + 0 + 10 / 10) / 3)


def test_a_perfect_map_has_one_and_a_class_that_is_nowhere_does_not_count():
    inside, outside = np.array([[0, 4]]), np.array([[6, 0]])
    assert mean_iou(inside, outside, np.array([2]), np.array([2]), 5)[1] == 1


def test_agrees_with_sklearn_pixel_by_pixel():
    from sklearn.metrics import jaccard_score

    rng = np.random.default_rng(0)
    values, truth = rng.integers(0, 4, (6, 50)), rng.random((6, 50)) < 0.3
    actual, predicted = np.array([0, 1, 2, 0, NONE, NONE]), np.array([0, 1, 1, NONE, 2, NONE])
    truth[actual == NONE] = False
    inside = np.stack([[np.sum(truth[i] & (values[i] == b)) for b in range(4)] for i in range(6)])
    outside = np.stack([[np.sum(~truth[i] & (values[i] == b)) for b in range(4)] for i in range(6)])
    scores = mean_iou(inside, outside, actual, predicted, 3)
    for threshold in range(5):
        true = np.where(truth, actual[:, None], NONE)
        called = np.where(values >= threshold, predicted[:, None], NONE)
        expected = jaccard_score(true.ravel(), called.ravel(), average="macro")
        assert scores[threshold] == pytest.approx(expected)
