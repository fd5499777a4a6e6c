"""Stage train: fit one model on the train tiles and keep its best epoch on the validation tiles."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from stages.datasets.tiles import open_tiles
from stages.metrics.classification import classification_scores, probability_of
from stages.models.registry import find_architecture
from stages.models.trained import channels_last, save_classifier
from stages.models.training import fit
from stages.models.weights import initial_classifier
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device
from stages.runtime.params import Params
from stages.runtime.paths import metrics_file, model_folder, plot_file, split_file, tiles_folder
from stages.runtime.records import new_file, write_json
from stages.runtime.seeds import seed_everything


def train(params: Params, name: str) -> str:
    """Train the model `name`; write its weights, metrics and curves."""
    model_params, training = params.models[name], params.training(name)
    architecture = find_architecture(name, model_params)
    tiles = open_tiles(tiles_folder(params.dataset.name), split_file(params.dataset.name))
    train_tiles, val_tiles = tiles.select("train"), tiles.select("val")
    px = train_tiles.images(np.arange(1)).shape[1]
    device = choose_device(params.runtime.device)
    seed_everything(training.seed, device)
    model, origin = initial_classifier(name, architecture, px, training.weights, model_params.weights_path)
    fitted = fit(
        channels_last(model), architecture.family, train_tiles, val_tiles, training, _average_precision, device, name
    )

    description = asdict(architecture) | {"model": name, "px": px, "origin": origin.as_dict()}
    description |= {"task": params.task, "classes": ["good", "defective"]}
    save_classifier(model_folder(name), model, description)
    curves = pd.DataFrame(asdict(epoch) for epoch in fitted.history).melt("epoch", var_name="curve")
    with new_file(plot_file("curves", name, ".csv")) as path:
        curves.round(5).to_csv(path, index=False)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    metrics = asdict(fitted.best) | {"parameters": parameters, "pretrained": origin.pretrained, "batch": training.batch}
    metrics["best_epoch"] = metrics.pop("epoch")
    write_json(metrics_file("train", name), {name: metrics})
    return (
        f"train {name}: best epoch {fitted.best.epoch} of {training.epochs}, validation average precision "
        f"{fitted.best.val_average_precision:.3f}, weights from {origin.source}"
    )


def _average_precision(logits: np.ndarray, defective: np.ndarray) -> float:
    return classification_scores(probability_of(logits), defective, 0.5)["average_precision"]


if __name__ == "__main__":
    run_model_stage(train, __doc__)
