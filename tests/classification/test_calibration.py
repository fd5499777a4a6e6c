"""Temperature and threshold: values worked out by hand, an independent optimiser, undefined cases."""

import math

import numpy as np
import pytest
import torch

from stages.classification.calibration import (
    calibrate,
    expected_calibration_error,
    fit_temperature,
    fit_threshold,
    probabilities,
)
from stages.training.loss import mean_loss


def test_temperature_where_the_best_one_is_known() -> None:
    # Three of four tiles with logit 2 are defective: the best probability is 3/4, so 2 / T = log 3. Mirrored for -2.
    logits, codes = np.array([2.0] * 4 + [-2.0] * 4), np.array([1, 1, 1, 0, 0, 0, 0, 1])
    assert fit_temperature(logits, codes) == pytest.approx(2 / math.log(3), rel=1e-9)
    pairs = np.stack((np.zeros(8), logits), axis=1)
    assert fit_temperature(pairs, codes) == fit_temperature(logits, codes)


@pytest.mark.parametrize("classes", [1, 4])
def test_temperature_agrees_with_torchs_lbfgs(classes: int) -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, max(2, classes), 200)
    logits = random.normal(size=(200, classes)) * 5
    logits[:, -1] += 4 * (codes == max(1, classes - 1))
    logits = logits[:, 0] if classes == 1 else logits
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)  # log 1/T
    optimiser = torch.optim.LBFGS([scale], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scores = torch.from_numpy(logits) * scale.exp()
        pairs = torch.stack((torch.zeros_like(scores), scores), 1) if classes == 1 else scores
        loss = mean_loss(pairs, torch.from_numpy(codes))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    assert fit_temperature(logits, codes) == pytest.approx(math.exp(-scale.item()), rel=1e-4)


def test_temperature_stays_within_its_bounds() -> None:
    codes = np.array([0, 1, 0, 1])
    assert fit_temperature(np.array([-3.0, 3.0, -2.0, 2.0]), codes) == pytest.approx(
        0.05
    )  # told apart without an error
    assert fit_temperature(np.array([3.0, -3.0, 2.0, -2.0]), codes) == pytest.approx(20)  # always wrong


def test_threshold_with_the_best_f1() -> None:
    probability = np.array([0.1, 0.3, 0.4, 0.6, 0.9])
    # above 0.2: 3 of 4 calls right, F1 = 6/7; above 0.35: 2 of 3 right, 4/6; above 0.5: 2 of 2 right, 4/5
    assert fit_threshold(probability, np.array([False, True, False, True, True])) == 0.2
    # without an error above 0.5, and nearer 0.5 than 0.2 or 0.35 could be
    assert fit_threshold(probability, np.array([False, False, False, True, True])) == 0.5
    assert fit_threshold(probability, np.ones(5, bool)) == 0.05  # all are defective: call all


def test_threshold_is_never_rounded_across_a_tile() -> None:
    probability = np.array([0.9999991, 0.9999992, 0.9999999])
    threshold = fit_threshold(probability, np.array([False, True, True]))
    assert (probability > threshold).tolist() == [False, True, True]  # rounded to 1.0 it would call nothing
    tiny = probability - 0.999999
    threshold = fit_threshold(tiny, np.array([False, True, True]))
    assert (tiny > threshold).tolist() == [False, True, True]  # rounded to 0.0 it would call all


def test_undefined_is_nan() -> None:
    good = calibrate(np.array([1.0, 2.0]), np.zeros(2, int))
    assert math.isnan(good.temperature) and math.isnan(good.threshold)
    classes = calibrate(np.eye(3) * 2, np.array([0, 1, 1]))
    assert math.isnan(classes.threshold) and classes.temperature > 0


def test_probabilities() -> None:
    np.testing.assert_allclose(probabilities(np.array([0.0, math.log(9)]), 2.0), [[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_allclose(probabilities(np.log([[1.0, 2.0, 5.0]]), 1.0), [[0.125, 0.25, 0.625]])
    np.testing.assert_allclose(probabilities(np.array([[1000.0, 0.0]]), math.nan), [[1, 0]])


def test_expected_calibration_error_by_hand():
    # bins of 0.1: 0.88 and 0.84 share one, of which half is right; 0.6 closes the bin (0.5, 0.6]
    probability = np.array([0.88, 0.84, 0.94, 0.6])
    correct = np.array([True, False, True, True])
    expected = (abs((0.88 - 1) + (0.84 - 0)) + abs(0.94 - 1) + abs(0.6 - 1)) / 4
    assert expected_calibration_error(probability, correct, bins=10) == pytest.approx(expected)
    assert expected_calibration_error(np.ones(3), np.ones(3, bool)) == 0
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, bool)))
