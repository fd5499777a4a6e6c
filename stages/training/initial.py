"""What a training begins with: its tiles, and a classifier that is built and seeded for them."""

import random
from dataclasses import replace

import numpy as np
import torch

from stages.models.batches import Labelled, labelled
from stages.models.registry import find_architecture
from stages.models.trained import Description, channels_last
from stages.models.weights import Classifier, initial_classifier
from stages.records.paths import split_file, tiles_folder
from stages.records.tiles import open_tiles
from stages.runtime.params import Params
from stages.training.settings import Training, read_model


def train_and_val_tiles(params: Params) -> tuple[Labelled, Labelled]:
    """Return the tiles to learn from and those to choose the best epoch on, with their classes."""
    tiles = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name))
    return labelled(tiles, "train", params.task), labelled(tiles, "val", params.task)


def seeded_classifier(
    params: Params, name: str, training: Training, tiles: Labelled, device: torch.device, by_cells: bool = False
) -> tuple[Classifier, Description]:
    """Seed everything and build the classifier `name` for these tiles: the same bits for the same arguments.

    Args:
        by_cells: as it is where cells are learned: one neuron, which a ViT has at every patch.
    """
    model = read_model(params, name)
    architecture = find_architecture(name, model)
    if by_cells and architecture.family == "vit":
        architecture = replace(architecture, head=replace(architecture.head, reads="patch_tokens"))
    task = "binary" if by_cells else params.task
    px = tiles.tiles.images(np.arange(1)).shape[1]
    neurons = 1 if task == "binary" else len(tiles.classes)
    seed_everything(training.seed, device)
    classifier, origin = initial_classifier(name, architecture, px, training.weights, model.weights_path, neurons)
    return channels_last(classifier), Description(name, architecture, px, task, tiles.classes, origin)


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed Python, NumPy and torch, and ask torch for deterministic algorithms on a GPU.

    On a CPU torch's convolutions and matrix products repeat bit for bit for the same thread count and versions; asking
    for determinism there only makes training slower (by a sixth, measured), so it is not asked for. On a GPU a
    few operators have no deterministic kernel; torch then warns instead of stopping.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(device.type != "cpu", warn_only=True)
    torch.backends.cudnn.benchmark = False
