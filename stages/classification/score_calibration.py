"""Scores on any scale as probabilities: a logistic curve through validation tiles, moved to where calls are best.

    p = sigmoid(a z + b - log(c / (1 - c))),  z = (score - mean) / standard deviation

a and b (Platt 1999) maximise  sum_n t_n log p_n + (1 - t_n) log(1 - p_n)  of the curve before it is moved, where t is
(N+ + 1) / (N+ + 2) for a defective tile and 1 / (N- + 2) for a good one ("Probabilistic outputs for support vector
machines", section 2.2), so that tiles which a score tells apart without an error have a finite curve, too. Found by
Newton's method with halved steps.

c is the p at which calling tiles defective has the highest F1 on the same tiles (`calibration.fit_threshold`), so that
this is where p is one half. Without it a score that hardly tells tiles apart would call none of them where defects are
rare, while a classifier that was trained on as many good as defective tiles calls many.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from stages.classification.calibration import fit_threshold

STEPS, HALVINGS = 100, 30
ENOUGH = 1e-10  # of the slope, per tile

Floats = NDArray[np.float64]


def probability_of(scores: NDArray[np.floating], fitted: NDArray[np.intp], defective: NDArray[np.bool_]) -> Floats:
    """Return (N,) a probability that each tile is defective, by its score alone; the best F1 is at one half.

    Args:
        scores: (N,) higher is more defective.
        fitted: (n,) places of the tiles that the curve goes through.
        defective: (n,) those of them that are.

    Returns:
        0..1. Where all tiles that are fitted are of one class nothing can be told: 1 if they are defective, else 0.
    """
    scores = np.asarray(scores, np.float64)
    known = scores[fitted]
    if defective.all() or not defective.any():
        return np.full(len(scores), float(defective.all()))
    spread = known.std()
    places = (scores - known.mean()) / (spread if spread > 0 else 1.0)
    slope, start = _fit(places[fitted], defective)
    curve = slope * places + start
    middle = logit(fit_threshold(expit(curve[fitted]), defective))
    probability: Floats = expit(curve - middle)
    return probability


def _fit(places: Floats, defective: NDArray[np.bool_]) -> Floats:
    """Return slope and intercept (2,)."""
    hits = int(defective.sum())
    targets = np.where(defective, (hits + 1) / (hits + 2), 1 / (len(places) - hits + 2))
    inputs = np.stack((places, np.ones_like(places)), axis=1)

    def loss(curve: Floats) -> float:
        logits = inputs @ curve
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    curve = np.zeros(2)
    for _ in range(STEPS):
        probability = expit(inputs @ curve)
        gradient = inputs.T @ (probability - targets)
        if np.abs(gradient).max() < ENOUGH * len(places):
            break
        weights = probability * (1 - probability)
        bent = (inputs * weights[:, None]).T @ inputs + 1e-12 * np.eye(2)
        step = np.linalg.solve(bent, gradient)
        before = loss(curve)
        for _ in range(HALVINGS):
            if loss(curve - step) <= before:
                break
            step = step / 2
        curve = curve - step
    return curve
