"""Image-level scores of the good / defective classifier."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_average_precision,
    binary_f1_score,
    binary_precision,
    binary_recall,
)

Metric = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def classification_scores(
    probability: NDArray[np.floating], defective: NDArray[np.bool_], threshold: float
) -> dict[str, float]:
    """Score the classifier over tiles; a tile is called defective when its probability is above `threshold`.

    Over tiles, with defective as the positive class:
    accuracy = (TP + TN) / all, precision = TP / (TP + FP), recall = TP / (TP + FN), f1 = 2 TP / (2 TP + FP + FN),
    average_precision = sum over thresholds of (R_n - R_{n-1}) P_n, without interpolation (no threshold of its own).

    Args:
        probability: (N,) probability of a defect, 0..1.
        defective: (N,) true where the tile is defective.
        threshold: 0..1.

    Returns:
        The five scores above, 0..1, NaN where the denominator is 0 (average precision: where no tile is defective),
        and the counts `tiles` and `defective_tiles`.
    """
    if probability.shape != defective.shape or probability.ndim != 1:
        raise ValueError(f"expected two arrays of the same length, got {probability.shape} and {defective.shape}")
    predicted = probability > threshold
    positives, called = int(defective.sum()), int(predicted.sum())
    # The threshold is applied here, in the precision of the caller, so that no tile near it falls on the other side
    # of it when torchmetrics turns the values into float32.
    calls, truth = torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(defective.astype(np.int64))

    def defined(metric: Metric, answer: torch.Tensor, denominator: int) -> float:
        # torchmetrics says 0 where nothing can be said
        return float(metric(answer, truth)) if denominator > 0 else math.nan

    tiles = truth.numel()
    return {
        "accuracy": defined(binary_accuracy, calls, tiles),
        "average_precision": defined(binary_average_precision, torch.from_numpy(probability.astype(float)), positives),
        "f1": defined(binary_f1_score, calls, positives + called),
        "precision": defined(binary_precision, calls, called),
        "recall": defined(binary_recall, calls, positives),
        "tiles": tiles,
        "defective_tiles": positives,
    }


def probability_of(logit: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-logit)) in float64, without overflow for any finite logit."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logit, np.float64)))
