"""Metrics, curves and the confusion table of a training: worked out by hand."""

import math

import numpy as np
import pytest

from stages.classification.calibration import Calibration
from stages.models.batches import Labelled
from stages.training.loop import Fitted
from stages.training.results import confusion_rows, curve_rows, training_metrics
from stages.training.state import Epoch
from tests.models.tiny import MemoryTiles, tiny_model

EPOCHS = (Epoch(1, 0.1, 0.5, 0.6, 0.7, 0.75), Epoch(2, 0.01, 0.4, 0.5, 0.9, 0.75))
PIXELS = MemoryTiles(np.zeros((4, 1, 1, 3), np.uint8))


def test_metrics_of_one_neuron() -> None:
    logits = np.array([math.log(3), math.log(3), math.log(3), -math.log(3)], np.float32)  # confidence 3/4, 3 of 4 right
    val = Labelled(PIXELS, np.array([1, 1, 0, 0]), ("good", "defective"))
    model = tiny_model()
    metrics = training_metrics(model, Fitted(EPOCHS, EPOCHS[1], logits), Calibration(0.5, 0.4), val)
    assert metrics == {
        "best_epoch": 2, "lr": 0.01, "train_loss": 0.4, "val_loss": 0.5, "val_average_precision": 0.9,
        "val_accuracy": 0.75, "temperature": 0.5, "threshold": 0.4,
        "val_expected_calibration_error_uncalibrated": pytest.approx(0, abs=1e-6),
        "val_expected_calibration_error_calibrated": pytest.approx(0.9 - 0.75),  # sigmoid(2 log 3) = 9/10
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }  # fmt: skip


def test_curves_and_confusion_of_several_classes() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 2]]
    fitted, val = Fitted(EPOCHS, EPOCHS[1], logits), Labelled(PIXELS, np.array([0, 1, 2, 2]), ("a", "b", "c"))
    assert list(curve_rows(fitted))[:4] == [
        (1, "lr", 0.1),
        (2, "lr", 0.01),
        (1, "train_loss", 0.5),
        (2, "train_loss", 0.4),
    ]
    assert len(list(curve_rows(fitted))) == 10
    counts = {(actual, called): tiles for actual, called, tiles in confusion_rows(fitted, val)}
    assert len(counts) == 9
    assert {pair: n for pair, n in counts.items() if n} == {("a", "a"): 1, ("b", "b"): 1, ("c", "b"): 1, ("c", "c"): 1}
    metrics = training_metrics(tiny_model("cnn", 3), fitted, Calibration(1.0, math.nan), val)
    assert metrics["val_recall"] == {"a": 1, "b": 1, "c": 0.5}
    assert metrics["val_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
