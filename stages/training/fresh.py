"""A classifier as a training starts from it, and what defines that training: the same for stage train and a trial."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from stages.models.batches import Labelled
from stages.models.registry import find_architecture
from stages.models.trained import Description, channels_last
from stages.models.weights import Classifier, initial_classifier
from stages.records.paths import split_file, tiles_folder
from stages.runtime.params import Params
from stages.runtime.seeds import seed_everything
from stages.training.checkpoint import run_hash
from stages.training.settings import Training, read_model


@dataclass(frozen=True)
class Fresh:
    """A classifier before its first epoch, and what is to be said of it."""

    model: Classifier
    description: Description


def fresh_classifier(params: Params, name: str, training: Training, tiles: Labelled, device: torch.device) -> Fresh:
    """Seed everything and build the classifier `name` for these tiles: the same bits for the same arguments."""
    described = read_model(params, name)
    architecture = find_architecture(name, described)
    px = tiles.tiles.images(np.arange(1)).shape[1]
    neurons = 1 if params.task == "binary" else len(tiles.classes)
    seed_everything(training.seed, device)
    model, origin = initial_classifier(name, architecture, px, training.weights, described.weights_path, neurons)
    description = Description(name, architecture, px, params.task, tiles.classes, origin)
    return Fresh(channels_last(model), description)


def training_hash(params: Params, description: Description, training: Training, fabric: Fabric) -> str:
    """Return the hash of all that defines a training: what `fresh_classifier` says, recipe, tiles, device, code."""
    definition = asdict(description) | {
        "training": asdict(training),
        "device": fabric.device.type,
        "processes": fabric.world_size,
    }
    return data_hash(params, definition)


def data_hash(params: Params, definition: Mapping[str, Any]) -> str:
    """Return the hash of a definition, of the tiles and the split that it is about, of code and libraries."""
    tiles = tiles_folder(params.dataset_name)
    files = [split_file(params.dataset_name), tiles / "index.parquet", *tiles.glob("images-*.npy")]
    return run_hash(definition, files)
