"""Scores as probabilities: the curve with the highest likelihood, whatever the scale; undefined where one class is."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from stages.classification.calibration import fit_threshold
from stages.classification.score_calibration import probability_of


def drawn(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    defective = random.random(count) < 0.3
    return random.normal(defective * 1.5, 1.0), defective


def test_the_curve_is_the_most_likely_one_for_platts_targets() -> None:
    scores, defective = drawn()
    hits = defective.sum()
    targets = np.where(defective, (hits + 1) / (hits + 2), 1 / (len(scores) - hits + 2))

    def loss(curve: np.ndarray) -> float:
        logits = curve[0] * scores + curve[1]
        return (np.logaddexp(0, logits) - targets * logits).sum()

    slope, start = minimize(loss, (0.0, 0.0), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    found = probability_of(scores, np.arange(len(scores)), defective)
    curve = expit(slope * scores + start)
    middle = fit_threshold(curve, defective)
    np.testing.assert_allclose(found, expit(slope * scores + start - logit(middle)), atol=1e-6)
    np.testing.assert_array_equal(found > 0.5, curve > middle)


def test_tiles_are_called_where_f1_is_best_so_that_rare_defects_are_called_at_all() -> None:
    """By hand: the highest one alone has F1 2 / 3, three have 4 / 5, four 2 / 3."""
    scores = np.array([0.0, 0, 0, 0, 0, 0, 4, 5, 7, 9])
    defective = np.array([0, 0, 0, 0, 0, 0, 0, 1, 0, 1], bool)
    found = probability_of(scores, np.arange(10), defective)
    f1 = {called: 2 * defective[-called:].sum() / (called + 2) for called in range(1, 11)}
    best = max(f1, key=lambda called: f1[called])
    assert best == 3 and np.flatnonzero(found > 0.5).tolist() == [7, 8, 9]


def test_scale_and_origin_of_the_scores_do_not_matter_and_others_are_placed_by_the_same_curve() -> None:
    scores, defective = drawn()
    fitted = np.arange(0, 200, 2)
    found = probability_of(scores, fitted, defective[fitted])
    np.testing.assert_allclose(probability_of(scores * 1e4 - 7, fitted, defective[fitted]), found, atol=1e-9)
    order = np.argsort(scores)
    assert (np.diff(found[order]) > 0).all() and found.shape == (200,)


def test_tiles_that_a_score_tells_apart_have_a_finite_curve() -> None:
    found = probability_of(np.array([1.0, 2.0, 8.0, 9.0]), np.arange(4), np.array([False, False, True, True]))
    assert (found > 0).all() and (found < 1).all() and (found[:2] < 0.5).all() and (found[2:] > 0.5).all()
    constant = probability_of(np.ones(4), np.arange(4), np.array([False, False, False, True]))
    assert (constant > 0.5).all()  # nothing to tell by: all are called, as one F1 is the best


@pytest.mark.parametrize(("defective", "expected"), [(True, 1.0), (False, 0.0)])
def test_one_class_alone_is_believed(defective: bool, expected: float) -> None:
    assert probability_of(np.arange(5.0), np.array([0, 1]), np.array([defective] * 2)).tolist() == [expected] * 5
