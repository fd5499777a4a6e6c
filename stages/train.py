"""Stage train: fit one model on the train tiles and keep its best epoch on the validation tiles."""

from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stages.classification.calibration import UNCALIBRATED, Calibration, calibrate, probabilities
from stages.classification.measures import (
    confusion_matrix,
    expected_calibration_error,
    multiclass_scores,
    validation_scores,
)
from stages.models.batches import Labelled, labelled
from stages.models.trained import save_classifier
from stages.models.weights import Classifier, Origin
from stages.records.files import write_csv, write_json
from stages.records.locks import locked
from stages.records.paths import (
    checkpoint_folder,
    metrics_file,
    model_folder,
    plot_file,
    split_file,
    tiles_folder,
    training_lock,
)
from stages.records.tiles import open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device
from stages.runtime.params import Params, Runtime
from stages.training.checkpoint import Checkpoint
from stages.training.engine import in_first_process, start_engine
from stages.training.fresh import fresh_classifier, training_hash
from stages.training.loop import Fitted, fit
from stages.training.settings import read_training, tuned_keys
from stages.training.tuning import tuned_values


def train(params: Params, name: str) -> str:
    """Train the model `name`; write weights, metrics and curves; return the line to print ("" but in one process)."""
    training = read_training(params, name, tuned_values(tuned_keys(params, name), name))
    runtime = params.read(Runtime)
    fabric = start_engine(choose_device(runtime.device), training.precision, runtime.devices, runtime.nodes)
    tiles = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name))
    train_tiles, val_tiles = (labelled(tiles, split, params.task) for split in ("train", "val"))
    fresh = fresh_classifier(params, name, training, train_tiles, fabric.device)
    model, family, origin = fresh.model, fresh.description.architecture.family, fresh.description.origin

    def scores(logits: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
        return validation_scores(probabilities(logits, UNCALIBRATED), codes, train_tiles.classes, params.task)

    def locked_checkpoint(held: ExitStack) -> Checkpoint:
        """Lock the outputs and the state of this very run, and return where the state is kept."""
        folder = checkpoint_folder(name, training_hash(params, fresh.description, training, fabric))
        for lock in (training_lock(name), folder / "lock"):
            held.enter_context(locked(lock, f"training {name}"))
        return Checkpoint(folder)

    with ExitStack() as held:
        checkpoint = in_first_process(fabric, partial(locked_checkpoint, held))
        fitted = fit(model, family, train_tiles, val_tiles, training, scores, fabric, name, checkpoint)
        if not fabric.is_global_zero:
            return ""
        calibration = calibrate(fitted.val_logits, val_tiles.codes)
        save_classifier(model_folder(name), model, replace(fresh.description, **asdict(calibration)))
        _write_plots(name, fitted, val_tiles)
        metrics = _metrics(model, origin, fitted, calibration, val_tiles) | {"batch": training.batch}
        if tuned := tuned_keys(params, name):
            metrics["tuned"] = ", ".join(tuned)
        write_json(metrics_file("train", name), {name: metrics})
        checkpoint.remove()
    return (
        f"train {name}: best epoch {fitted.best.epoch} of {training.epochs}, validation average precision "
        f"{fitted.best.val_average_precision:.3f}, weights from {origin.source}"
    )


def _metrics(
    model: Classifier, origin: Origin, fitted: Fitted, calibration: Calibration, val: Labelled
) -> dict[str, Any]:
    """Return the best epoch, the calibration and what it did to the validation tiles it was fitted on."""
    metrics: dict[str, Any] = asdict(fitted.best)
    metrics["best_epoch"] = metrics.pop("epoch")
    for key, temperature in (("uncalibrated", UNCALIBRATED), ("calibrated", calibration.temperature)):
        probability = probabilities(fitted.val_logits, temperature)
        error = expected_calibration_error(probability.max(axis=1), probability.argmax(axis=1) == val.codes)
        metrics[f"val_expected_calibration_error_{key}"] = error
    metrics |= asdict(calibration)
    if fitted.val_logits.ndim > 1:
        scored = multiclass_scores(probabilities(fitted.val_logits, UNCALIBRATED), val.codes, val.classes)
        metrics |= {"val_f1": scored["f1"], "val_recall": scored["recall"]}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return metrics | {"parameters": parameters, "pretrained": origin.pretrained}


def _write_plots(name: str, fitted: Fitted, val: Labelled) -> None:
    """Write the curves, and which class the validation tiles of each class are called (at a probability of 0.5)."""
    curves = pd.DataFrame(asdict(epoch) for epoch in fitted.history).melt("epoch", var_name="curve")
    write_csv(plot_file("curves", name, ".csv"), curves.columns, curves.itertuples(index=False))
    predicted = probabilities(fitted.val_logits, UNCALIBRATED).argmax(axis=1)
    counts = pd.DataFrame(confusion_matrix(val.codes, predicted, len(val.classes)), val.classes, val.classes)
    table = counts.rename_axis("actual").reset_index().melt("actual", var_name="predicted", value_name="tiles")
    write_csv(plot_file("confusion", name, ".csv"), table.columns, table.itertuples(index=False))


if __name__ == "__main__":
    run_model_stage(train, __doc__)
