"""Calibration on validation tiles: a temperature for the logits, the threshold with the best F1, and what is left.

Temperature scaling (Guo et al. 2017, "On calibration of modern neural networks", section 4.2): probabilities are
sigmoid(z / T) or softmax(z / T); one T for the whole model, so no tile changes its rank or its class.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

LOWEST, HIGHEST = 0.05, 20.0  # of T; where validation tiles are told apart without an error, the best T would be 0
UNCALIBRATED = 1.0  # the temperature that changes nothing


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities and calls.

    temperature: T > 0; NaN where validation holds one class only (nothing to fit).
    threshold: binary: a tile is called defective when sigmoid(logit / temperature) is above it; NaN for multiclass, and
        where validation holds no defective tile.
    """

    temperature: float
    threshold: float


def calibrate(logits: np.ndarray, codes: np.ndarray) -> Calibration:
    """Fit both values to logits (N,) or (N, K) and the classes (N,) int of the same tiles."""
    temperature = fit_temperature(logits, codes)
    if logits.ndim > 1:
        return Calibration(temperature, math.nan)
    probability = probabilities(logits, temperature)[:, 1]
    return Calibration(temperature, fit_threshold(probability, codes == 1))


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return (N, K) float64 the probability of each class at a temperature (NaN counts as 1); binary: K = 2."""
    return softmax(_pairs(logits) / (1.0 if math.isnan(temperature) else temperature), axis=1)


def fit_temperature(logits: np.ndarray, codes: np.ndarray) -> float:
    """Return the T within 0.05..20 with the lowest mean -log probability of the true class.

    In s = 1/T that is convex, with slope mean_n(sum_k p_nk(s) z_nk - z_n,y_n); bisection on log s finds its zero.

    Args:
        logits: (N,) of one neuron or (N, K) of one neuron per class.
        codes: (N,) int, the true class of each tile.

    Returns:
        T; NaN where the tiles are all of one class.
    """
    if len(np.unique(codes)) < 2:
        return math.nan
    pairs = _pairs(logits)
    true = pairs[np.arange(len(codes)), codes]
    low, high = math.log(1 / HIGHEST), math.log(1 / LOWEST)
    for _ in range(60):
        middle = (low + high) / 2
        expected = (probabilities(logits, math.exp(-middle)) * pairs).sum(axis=1)
        low, high = (middle, high) if (expected - true).mean() < 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def fit_threshold(probability: np.ndarray, defective: np.ndarray) -> float:
    """Return the threshold with the highest F1 = 2 TP / (2 TP + FP + FN), midway between two tiles' probabilities.

    Of several with the same F1, the one nearest 0.5.

    Args:
        probability: (N,) of a defect.
        defective: (N,) bool.

    Returns:
        0..1; NaN where no tile is defective.
    """
    if not defective.any():
        return math.nan
    values = np.unique(probability)
    candidates = np.concatenate((values[:1], values[1:] + values[:-1])) / 2
    order = np.sort(probability)
    hits = np.sort(probability[defective])
    called = len(order) - np.searchsorted(order, candidates, side="right")
    found = len(hits) - np.searchsorted(hits, candidates, side="right")
    f1 = 2 * found / (called + len(hits))  # 2 TP + FP + FN = called + defective
    best = candidates[f1 == f1.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Return how far confidence is from accuracy: sum over bins of n_b / N |accuracy_b - mean confidence_b|.

    Bins of equal width over 0..1, closed above (Guo et al. 2017, equations 2 to 5). torchmetrics rounds to float32,
    closes bins below and gives a confidence of 1 a bin of its own, so that its fifth decimal is now and then another.

    Args:
        confidence: (N,) probability of the class that the classifier calls, 0..1.
        correct: (N,) bool, whether that call is right.
        bins: their number.

    Returns:
        0..1, 0 is best; NaN for no tile.
    """
    if not len(confidence):
        return math.nan
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _pairs(logits: np.ndarray) -> np.ndarray:
    """Return (N, K) float64 logits; one neuron z stands for the two classes (0, z)."""
    logits = np.asarray(logits, np.float64)
    return np.stack((np.zeros_like(logits), logits), axis=1) if logits.ndim == 1 else logits
