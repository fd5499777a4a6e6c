"""Stage train: fit one model on the train tiles and keep its best epoch on the validation tiles."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
from lightning_fabric import Fabric

from stages.datasets.tiles import open_tiles
from stages.metrics.classification import (
    classification_scores,
    confusion_matrix,
    expected_calibration_error,
    multiclass_scores,
)
from stages.models.batches import ClassTiles, Labelled
from stages.models.calibration import Calibration, calibrate, probabilities
from stages.models.checkpoint import Checkpoint, locked, run_hash
from stages.models.engine import in_first_process, start_engine
from stages.models.registry import find_architecture
from stages.models.trained import channels_last, save_classifier
from stages.models.training import Fitted, fit
from stages.models.weights import Classifier, Origin, initial_classifier
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device
from stages.runtime.params import Params
from stages.runtime.paths import (
    checkpoint_folder,
    metrics_file,
    model_folder,
    plot_file,
    split_file,
    tiles_folder,
    training_lock,
)
from stages.runtime.records import new_file, write_json
from stages.runtime.seeds import seed_everything

UNCALIBRATED = 1.0  # the temperature that changes nothing


def train(params: Params, name: str) -> str:
    """Train the model `name`; write weights, metrics and curves; return the line to print ("" but in one process)."""
    training = params.training(name)
    device = choose_device(params.runtime.device)
    architecture = find_architecture(name, params.models[name])
    fabric = start_engine(device, training.precision, params.runtime.devices, params.runtime.nodes)
    train_tiles, val_tiles = _labelled(params, "train"), _labelled(params, "val")
    classes = train_tiles.classes
    px = train_tiles.tiles.images(np.arange(1)).shape[1]
    neurons = 1 if params.task == "binary" else len(classes)
    seed_everything(training.seed, fabric.device)
    model, origin = initial_classifier(
        name, architecture, px, training.weights, params.models[name].weights_path, neurons
    )
    description = asdict(architecture) | {"model": name, "px": px, "origin": origin.as_dict()}
    description |= {"task": params.task, "classes": list(classes)}
    scores = _binary_scores if params.task == "binary" else partial(_multiclass_scores, classes=classes)
    with ExitStack() as held:
        checkpoint = in_first_process(fabric, partial(_checkpoint, params, name, description, fabric, held))
        model, family = channels_last(model), architecture.family
        fitted = fit(model, family, train_tiles, val_tiles, training, scores, fabric, name, checkpoint)
        if not fabric.is_global_zero:
            return ""
        calibration = calibrate(fitted.val_logits, val_tiles.codes)
        save_classifier(model_folder(name), model, description | asdict(calibration))
        _write_plots(name, fitted, val_tiles)
        metrics = _metrics(model, origin, fitted, calibration, val_tiles) | {"batch": training.batch}
        write_json(metrics_file("train", name), {name: metrics})
        checkpoint.remove()
    return (
        f"train {name}: best epoch {fitted.best.epoch} of {training.epochs}, validation average precision "
        f"{fitted.best.val_average_precision:.3f}, weights from {origin.source}"
    )


def _labelled(params: Params, split: str) -> Labelled:
    tiles = open_tiles(tiles_folder(params.dataset.name), split_file(params.dataset.name))
    chosen = tiles.select(split)
    if params.task == "binary":
        return Labelled(chosen, chosen.labels.astype(np.int64), ("good", "defective"))
    classes = cast(ClassTiles, tiles).classes
    return Labelled(chosen, cast(ClassTiles, chosen).class_codes(classes), classes)


def _checkpoint(
    params: Params, name: str, description: Mapping[str, Any], fabric: Fabric, held: ExitStack
) -> Checkpoint:
    """Lock the outputs and the state of this very run, and return where the state is kept."""
    tiles = tiles_folder(params.dataset.name)
    definition = dict(description) | {
        "training": asdict(params.training(name)),
        "device": fabric.device.type,
        "processes": fabric.world_size,
    }
    files = [split_file(params.dataset.name), tiles / "index.parquet", *tiles.glob("images-*.npy")]
    folder = checkpoint_folder(name, run_hash(definition, files))
    for lock in (training_lock(name), folder / "lock"):
        held.enter_context(locked(lock, name))
    return Checkpoint(folder)


def _binary_scores(logits: np.ndarray, codes: np.ndarray) -> Mapping[str, float]:
    return classification_scores(probabilities(logits, UNCALIBRATED)[:, 1], codes == 1, 0.5)


def _multiclass_scores(logits: np.ndarray, codes: np.ndarray, classes: tuple[str, ...]) -> Mapping[str, float]:
    return multiclass_scores(probabilities(logits, UNCALIBRATED), codes, classes)


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
    with new_file(plot_file("curves", name, ".csv")) as path:
        curves.round(5).to_csv(path, index=False)
    predicted = probabilities(fitted.val_logits, UNCALIBRATED).argmax(axis=1)
    counts = pd.DataFrame(confusion_matrix(val.codes, predicted, len(val.classes)), val.classes, val.classes)
    table = counts.rename_axis("actual").reset_index().melt("actual", var_name="predicted", value_name="tiles")
    with new_file(plot_file("confusion", name, ".csv")) as path:
        table.to_csv(path, index=False)


if __name__ == "__main__":
    run_model_stage(train, __doc__)
