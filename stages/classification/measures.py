"""Image-level scores of classifiers: good / defective, or one of several classes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_average_precision,
    binary_f1_score,
    binary_precision,
    binary_recall,
    multiclass_confusion_matrix,
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
    """Return 1 / (1 + exp(-logit)) in float64. TEMPORARY: until the report stage calls `scipy.special.expit` itself."""
    return np.asarray(expit(np.asarray(logit, np.float64)))


def multiclass_scores(
    probability: NDArray[np.floating], codes: NDArray[np.integer], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Score a classifier of K classes over tiles; a tile is called its most probable class.

    Over tiles: accuracy = right / all; for each class k against the rest recall_k = TP / (TP + FN),
    f1_k = 2 TP / (2 TP + FP + FN) and average_precision_k as in `classification_scores`.

    Args:
        probability: (N, K) of each class, 0..1.
        codes: (N,) the true class, a place in `classes`.
        classes: K names.

    Returns:
        accuracy; f1 and average_precision, the means over the classes where they are defined ("macro"); recall, a
        mapping from class to recall_k; tiles, N. 0..1, NaN where a denominator is 0 (average precision: where no tile
        is of the class).
    """
    counts = confusion_matrix(codes, probability.argmax(axis=1), len(classes))
    right, actual, called = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precisions = [
        classification_scores(probability[:, k], codes == k, 0.5)["average_precision"] for k in range(len(classes))
    ]
    return {
        "accuracy": float(_ratio(right.sum(), counts.sum())),
        "average_precision": _mean_defined(np.array(precisions)),
        "f1": _mean_defined(_ratio(2 * right, actual + called)),
        "recall": {name: float(value) for name, value in zip(classes, _ratio(right, actual), strict=True)},
        "tiles": len(codes),
    }


def validation_scores(
    probability: NDArray[np.floating], codes: NDArray[np.integer], classes: tuple[str, ...], task: str
) -> dict[str, Any]:
    """Return what training validates by, `average_precision` and `accuracy` among it, for either task.

    Args:
        probability: (N, K) of each class, 0..1.
        codes: (N,) the true class, a place in `classes`.
        classes: K names; binary: good, defective.
        task: binary (`classification_scores` at 0.5) | multiclass (`multiclass_scores`).
    """
    if task == "binary":
        return classification_scores(probability[:, 1], codes == 1, 0.5)
    return multiclass_scores(probability, codes, classes)


def confusion_matrix(codes: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Return (K, K) counts of tiles: row the true class, column the one that the classifier calls."""
    counts = multiclass_confusion_matrix(torch.from_numpy(predicted), torch.from_numpy(codes), classes)
    return counts.numpy().astype(np.int64)


def expected_calibration_error(probability: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Return how far confidence is from accuracy: sum over bins of n_b / N |accuracy_b - mean confidence_b|.

    Bins of equal width over 0..1, closed above (Guo et al. 2017, equations 2 to 5).

    Args:
        probability: (N,) of the class that the classifier calls, 0..1.
        correct: (N,) whether that call is right.
        bins: their number.

    Returns:
        0..1, 0 is best; NaN for no tile.
    """
    if not len(probability):
        return math.nan
    places = np.clip(np.ceil(np.asarray(probability, np.float64) * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=correct - np.asarray(probability, np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / len(probability))


def _ratio(numerator: Any, denominator: Any) -> Any:
    """Return numerator / denominator, NaN where the denominator is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(np.equal(denominator, 0), math.nan, np.divide(numerator, denominator))


def _mean_defined(values: NDArray[np.floating]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan
