"""What is written of a training beside its weights: metrics, curves, and which class is taken for which."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from stages.classification.calibration import (
    UNCALIBRATED,
    Calibration,
    expected_calibration_error,
    probabilities,
)
from stages.classification.image_scores import confusion_matrix, multiclass_scores
from stages.models.batches import Labelled
from stages.models.weights import Classifier
from stages.training.loop import Fitted
from stages.training.state import Epoch

CURVES = ("epoch", "curve", "value")
CONFUSION = ("actual", "predicted", "tiles")


def training_metrics(model: Classifier, fitted: Fitted, calibration: Calibration, val: Labelled) -> dict[str, Any]:
    """Return the best epoch, the calibration and what it did to the validation tiles `val`, the model's parameters.

    Of several classes also the F1 and recall of that epoch.
    """
    metrics: dict[str, Any] = asdict(fitted.best) | asdict(calibration)
    metrics["best_epoch"] = metrics.pop("epoch")
    for key, temperature in (("uncalibrated", UNCALIBRATED), ("calibrated", calibration.temperature)):
        probability = probabilities(fitted.val_logits, temperature)
        error = expected_calibration_error(probability.max(axis=1), probability.argmax(axis=1) == val.codes)
        metrics[f"val_expected_calibration_error_{key}"] = error
    if fitted.val_logits.ndim > 1:
        scores = multiclass_scores(probabilities(fitted.val_logits, UNCALIBRATED), val.codes, val.classes)
        metrics |= {"val_f1": scores["f1"], "val_recall": scores["recall"]}
    return metrics | {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def curve_rows(fitted: Fitted) -> Iterator[tuple[int, str, float]]:
    """Yield `CURVES`: the value of each field of `Epoch` in each epoch."""
    for field in fields(Epoch)[1:]:
        for epoch in fitted.history:
            yield epoch.epoch, field.name, getattr(epoch, field.name)


def confusion_rows(fitted: Fitted, val: Labelled) -> Iterator[tuple[str, str, int]]:
    """Yield `CONFUSION`: how many validation tiles of each class are called which (binary: at a probability of 0.5)."""
    predicted = probabilities(fitted.val_logits, UNCALIBRATED).argmax(axis=1)
    counts = confusion_matrix(val.codes, predicted, len(val.classes))
    for column, called in enumerate(val.classes):
        for row, actual in enumerate(val.classes):
            yield actual, called, counts[row, column]
