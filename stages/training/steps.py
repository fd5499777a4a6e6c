"""How an epoch is cut into optimiser steps, a step into micro-batches, and which recipes cannot be.

Batch normalisation takes mean and variance from the tiles of one micro-batch. From a single tile they say nothing (and
where a tile's features are one cell, torch refuses them), so that a network that learns them gets two tiles at least.
"""

from collections.abc import Iterator

import numpy as np
from lightning_fabric import Fabric
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from stages.models.batches import Labelled, epoch_order
from stages.models.weights import Classifier
from stages.runtime.errors import InputError
from stages.training.settings import Training


def least_tiles(model: Classifier, training: Training) -> int:
    """Return how many tiles a micro-batch must have: 2 where a batch normalisation learns in any epoch, else 1.

    One whose weights are frozen keeps its pre-trained statistics, too, and normalises each tile by itself.

    Raises:
        InputError: more stages are to be frozen than there are.
    """
    only_head = training.epochs <= training.warmup_epochs
    frozen = list(model.network.parameters()) if only_head else model.stage_parameters(training.frozen_stages)
    frozen_ids = {id(parameter) for parameter in frozen}

    def learns(norm: nn.Module) -> bool:
        ids = {id(parameter) for parameter in norm.parameters(recurse=False)}
        return not ids or not ids <= frozen_ids

    return 2 if any(isinstance(module, _BatchNorm) and learns(module) for module in model.modules()) else 1


def refuse_recipe(model: Classifier, train: Labelled, training: Training, processes: int) -> None:
    """Pass if the tiles can be cut into the steps and micro-batches of the recipe.

    Raises:
        InputError: with the parameter to change.
    """
    tiles, batch, accumulate = len(train.codes), training.batch, training.accumulate
    if batch > tiles:
        raise InputError(f"params.yaml: batch is {batch}, but there are only {tiles} train tiles")
    if batch < accumulate * processes:
        raise InputError(
            f"params.yaml: batch is {batch}; expected at least one tile for each of accumulate "
            f"({accumulate}) x processes ({processes}) micro-batches"
        )
    for code, name in enumerate(train.classes):
        if not (train.codes == code).any():
            raise InputError(
                f"params.yaml: no train tile is of class {name!r}; change split (seed, train), or leave the class out "
                "of the data set"
            )
    least = least_tiles(model, training)
    if batch < least * accumulate * processes:
        where = f" in accumulate ({accumulate}) x processes ({processes}) micro-batches" if batch > 1 else ""
        most = batch // (least * processes)
        raise InputError(
            f"params.yaml: batch is {batch}{where}: that leaves one tile alone, and this network's batch normalisation "
            f"needs {least} together; raise batch to {least * accumulate * processes}"
            + (f", or lower accumulate to {most}" if most else "")
        )
    visited = len(epoch_order(train.defective, training.good_per_defective, training.seed, 1))
    if visited < least_batch(batch, least, processes):
        raise InputError(
            f"params.yaml: an epoch visits {visited} tiles (good_per_defective is {training.good_per_defective}), "
            f"too few for {processes} processes; use fewer, or raise good_per_defective"
        )


def tiles_at_once(training: Training, processes: int) -> int:
    """Return how many tiles the largest micro-batch of a process has."""
    return -(-training.batch // (training.accumulate * processes))


def least_batch(batch: int, least: int, processes: int) -> int:
    """Return how many tiles a step must have: `least` for each process, and more than one if others have."""
    return max(least * processes, min(batch, 2))


def steps(order: np.ndarray, batch: int, fewest: int) -> Iterator[np.ndarray]:
    """Yield the tiles of each step; a last one of fewer than `fewest` tiles is left out (others in each epoch)."""
    for start in range(0, len(order), batch):
        positions = order[start : start + batch]
        if len(positions) >= fewest:
            yield positions


def shares(fabric: Fabric, positions: np.ndarray, accumulate: int, least: int) -> list[tuple[np.ndarray, float]]:
    """Return this process' share of a step as micro-batches, each with its factor for the loss.

    The sum over all processes and micro-batches of factor * (mean loss of the micro-batch) is the mean loss of the
    step. There are `accumulate` of them, or as many as leave `least` tiles for each; the same number in all processes.
    A process without a tile computes another's with factor 0, since gradients are exchanged by all of them together.
    """
    count = max(1, min(accumulate, len(positions) // (least * fabric.world_size)))
    mine = np.array_split(positions, fabric.world_size * count)[fabric.global_rank :: fabric.world_size]
    return [(tiles, len(tiles) / len(positions)) if len(tiles) else (positions[:1], 0.0) for tiles in mine]
