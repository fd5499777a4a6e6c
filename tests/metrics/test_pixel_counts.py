"""Scores of counted pixels: worked by hand, the thesis' own tables, torchmetrics, undefined cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_f1_score,
    binary_jaccard_index,
    binary_precision,
    binary_recall,
    binary_stat_scores,
)
from torchmetrics.functional.segmentation import mean_iou as torch_mean_iou

from stages.metrics.pixel_counts import mean_iou, pixel_scores
from stages.metrics.table import PIXEL_SCORES
from tests.metrics.masks import counts_of_masks


def test_counts_and_scores_exact():
    prediction = np.array([[[1, 1, 0], [1, 0, 0]], [[0, 0, 0], [0, 0, 0]]], bool)
    truth = np.array([[[1, 0, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 1]]], bool)
    counts = counts_of_masks(prediction, truth)
    assert counts.tolist() == [[2, 1, 1, 2], [0, 0, 1, 5]]  # TP, FP, FN, TN
    # pooled: TP 2, FP 1, FN 2, TN 7
    expected = {
        "f1": pytest.approx(4 / 7),
        "precision": pytest.approx(2 / 3),
        "jaccard": pytest.approx(2 / 5),
        "accuracy": pytest.approx(9 / 12),
        "recall": pytest.approx(2 / 4),
    }
    scores = pixel_scores(counts)
    assert {name: scores[name] for name in expected} == expected
    assert mean_iou(counts) == {
        "foreground_iou": pytest.approx(2 / 5),
        "background_iou": pytest.approx(7 / 10),
        "mean_iou": pytest.approx(0.55),
    }


def test_counts_and_scores_agree_with_torchmetrics():
    rng = np.random.default_rng(0)
    truth, prediction = rng.random((5, 40, 40)) > 0.8, rng.random((5, 40, 40)) > 0.6
    counts = counts_of_masks(prediction, truth)
    said, there = torch.from_numpy(prediction.astype(int)), torch.from_numpy(truth.astype(int))
    tp, fp, tn, fn, _ = binary_stat_scores(said, there).tolist()
    assert counts.sum(axis=0).tolist() == [tp, fp, fn, tn]
    scores = pixel_scores(counts)
    metrics = (binary_f1_score, binary_precision, binary_jaccard_index, binary_accuracy, binary_recall)
    for name, metric in zip(("f1", "precision", "jaccard", "accuracy", "recall"), metrics, strict=True):
        assert scores[name] == pytest.approx(float(metric(said, there)), abs=1e-6)
    theirs = torch_mean_iou(said.reshape(1, -1), there.reshape(1, -1), num_classes=2, input_format="index")
    assert mean_iou(counts)["mean_iou"] == pytest.approx(float(theirs), abs=1e-6)


# F1, precision, Jaccard index and recall as printed: tables 3.4 (PCB) and 3.6 (GID) of the thesis
PRINTED = [
    (0.5482, 0.8918, 0.3776, 0.3958),  # EfficientNetV2_s_d
    (0.6397, 0.5933, 0.4703, 0.6941),  # MobileNetV3_large_d
    (0.3262, 0.9620, 0.1949, 0.1964),  # DeiT_tiny_patch16_224_fmin
    (0.5142, 0.7543, 0.3460, 0.3901),  # ViT_tiny_patch16_224_fmax
    (0.1364, 0.5144, 0.0732, 0.0787),  # EfficientNetV2_s_d
    (0.2540, 0.3038, 0.1455, 0.2183),  # MobileNetV3_large
    (0.1333, 0.1354, 0.0715, 0.1314),  # DeiT_tiny_patch16_224_fmax
    (0.2223, 0.2784, 0.1251, 0.1851),  # ViT_tiny_patch16_224_fmean
]


@pytest.mark.parametrize(("f1", "precision", "jaccard", "recall"), PRINTED)
def test_pooled_counts_reproduce_rows_of_the_thesis(f1, precision, jaccard, recall):
    """Its scores are of pooled pixels: counts with its precision and recall give its F1 and Jaccard index."""
    true = 10**9
    tp = recall * true
    counts = np.rint([tp, tp / precision - tp, true - tp, 0]).astype(np.int64)
    scores = pixel_scores(counts)
    assert scores["f1"] == pytest.approx(f1, abs=1.5e-4)  # printed to four digits, from rounded values
    assert scores["jaccard"] == pytest.approx(jaccard, abs=1.5e-4)
    assert scores["jaccard"] == pytest.approx(scores["f1"] / (2 - scores["f1"]))


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
    for name in ("f1", "precision", "jaccard", "recall"):
        assert math.isnan(nothing_there_nothing_said[name])
    nothing_said = pixel_scores(np.array([0, 0, 4, 5]))
    assert math.isnan(nothing_said["precision"])
    assert (nothing_said["f1"], nothing_said["recall"]) == (0, 0)
    assert all(math.isnan(value) for value in pixel_scores(np.zeros((0, 4), int)).values())
    assert math.isnan(mean_iou(np.array([0, 0, 0, 9]))["mean_iou"])
