"""Image-level scores: exact values, undefined cases, and the step from logit to probability."""

import math

import numpy as np
import pytest
import sklearn.metrics as sklearn_metrics

from stages.classification.image_scores import (
    binary_scores,
    confusion_matrix,
    multiclass_scores,
)


def test_exact_values():
    probability = np.array([0.9, 0.8, 0.7, 0.4, 0.5])
    defective = np.array([True, False, True, True, False])
    assert binary_scores(probability, defective, 0.5) == {
        "accuracy": pytest.approx(3 / 5),
        # precision at the ranks of the defective tiles: 1/1, 2/3, 3/5 with 0.5 (good) ahead of 0.4
        "average_precision": pytest.approx((1 + 2 / 3 + 3 / 5) / 3),
        "f1": pytest.approx(4 / 6),
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "tiles": 5,
        "defective_tiles": 3,
    }


def test_the_threshold_itself_is_good_also_where_float32_would_round():
    scores = binary_scores(np.array([0.5, 0.5 + 1e-12]), np.array([False, True]), 0.5)
    assert scores["accuracy"] == 1


def test_undefined_is_nan():
    all_good = binary_scores(np.array([0.1, 0.2]), np.zeros(2, bool), 0.5)
    assert all_good["accuracy"] == 1
    assert all(math.isnan(all_good[name]) for name in ("average_precision", "f1", "precision", "recall"))
    none_called = binary_scores(np.array([0.1, 0.2]), np.ones(2, bool), 0.5)
    assert math.isnan(none_called["precision"])
    assert (none_called["recall"], none_called["f1"], none_called["average_precision"]) == (0, 0, 1)
    empty = binary_scores(np.zeros(0), np.zeros(0, bool), 0.5)
    assert (empty.pop("tiles"), empty.pop("defective_tiles")) == (0, 0)
    assert all(math.isnan(value) for value in empty.values())


def test_lengths_must_match():
    with pytest.raises(ValueError, match="same length"):
        binary_scores(np.zeros(3), np.zeros(2, bool), 0.5)


def test_multiclass_by_hand():
    probability = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1]])
    scores = multiclass_scores(probability, np.array([0, 1, 1, 1]), ("a", "b", "c"))
    assert scores["accuracy"] == 3 / 4 and scores["tiles"] == 4
    assert scores["recall"] == {"a": 1, "b": pytest.approx(2 / 3), "c": pytest.approx(math.nan, nan_ok=True)}
    assert scores["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)  # c is neither there nor called: left out
    assert scores["average_precision"] == pytest.approx(1)  # in each column the class stands first


def test_multiclass_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    codes, probability = random.integers(0, 5, 300), random.dirichlet(np.ones(5), 300)
    predicted = probability.argmax(axis=1)
    scores = multiclass_scores(probability, codes, tuple("abcde"))
    assert scores["f1"] == pytest.approx(sklearn_metrics.f1_score(codes, predicted, average="macro"))
    assert list(scores["recall"].values()) == pytest.approx(
        sklearn_metrics.recall_score(codes, predicted, average=None)
    )
    expected = sklearn_metrics.average_precision_score(np.eye(5)[codes], probability, average="macro")
    assert scores["average_precision"] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(
        confusion_matrix(codes, predicted, 5), sklearn_metrics.confusion_matrix(codes, predicted)
    )
