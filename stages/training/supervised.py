"""The supervised reference of one model: what its network learns from is the truth of train tiles, cell by cell.

What does annotation buy? The same network with the same recipe, seed, tiles and cells, but for each cell the truth that
the model itself never sees. Of a ViT that reads its class token, which has no class map, the patch tokens are read.
Defective tiles whose place nobody marked are left out, since their cells would be taken for good ones.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from lightning_fabric import Fabric
from numpy.typing import NDArray

from stages.models.batches import Labelled, labelled
from stages.models.trained import Description
from stages.models.weights import Classifier
from stages.records.paths import split_file, tiles_folder, training_lock
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.params import Params
from stages.runtime.seeds import derive_seed
from stages.training.cells import CellTask, CellTruth, annotated, map_shape
from stages.training.checkpoint import Checkpoint, locked_checkpoint
from stages.training.engine import in_first_process
from stages.training.epoch import predict_cells
from stages.training.identity import hash_tiles, hash_training
from stages.training.initial import seeded_classifier
from stages.training.loop import Fitted, fit
from stages.training.settings import Training
from stages.training.wanted import SUPERVISED


def annotated_tiles(params: Params) -> tuple[Labelled, Labelled] | str:
    """Return train and validation tiles whose defect has a known place, and all good ones; or why there are none.

    Their classes are good and defective, whatever the task; defective alone where no tile is good.
    """
    tiles = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name))
    if not tiles.truths:
        return "the data set has no annotated area"
    found = []
    for split in ("train", "val"):
        of_split = labelled(tiles, split, "binary")
        known = annotated(of_split)
        if not (known & of_split.defective).any():
            return f"no defective {split} tile is annotated"
        found.append(_select(of_split, known))
    if found[0].defective.all():
        found = [replace(part, codes=np.zeros_like(part.codes), classes=("defective",)) for part in found]
    return found[0], found[1]


def share_of(tiles: Labelled, share: float, seed: int) -> Labelled:
    """Return all good tiles and a share of the defective ones, at least one, drawn by a seed; in the order given.

    Those that are drawn stand there again and again until they are as many as all were, so that an epoch has the same
    steps whatever the share. A larger share of the same seed holds the smaller one.
    """
    defective = np.flatnonzero(tiles.defective)
    random = np.random.default_rng(derive_seed(seed, "annotated share"))
    kept = random.permutation(defective)[: max(1, round(share * len(defective)))]
    return _select(tiles, np.sort(np.concatenate((np.flatnonzero(~tiles.defective), np.resize(kept, len(defective))))))


def annotated_count(tiles: Labelled) -> int:
    """Return how many different defective tiles there are."""
    return int(tiles.tiles.index["tile_id"][tiles.defective].nunique())


@dataclass(frozen=True)
class Taught:
    """A network that learned where defects are, and the checkpoint to remove when it is kept."""

    model: Classifier
    description: Description
    fitted: Fitted
    checkpoint: Checkpoint


def teach(
    params: Params, name: str, training: Training, tiles: Sequence[Labelled], fabric: Fabric, held: ExitStack
) -> Taught:
    """Train the reference of a model, or go on with a training that was killed.

    Args:
        params: what params.yaml says.
        name: of the model.
        training: its recipe.
        tiles: to learn from, and to choose the epoch on.
        fabric: the engine, started.
        held: keeps the lock of this training.

    Raises:
        InputError: another process is at it, or as `stages.training.loop.fit`.
    """
    train, val = tiles
    model, description = seeded_classifier(params, name, training, train, fabric.device, by_cells=True)
    cells = cell_task(model, description.px, train, val)

    def lock_checkpoint() -> Checkpoint:
        hashes = hash_tiles(params.dataset_name, *train.tiles.truths) + train.tiles.index["tile_id"].tolist()
        training_hash = hash_training(description, training, fabric, hashes, "cells")
        return held.enter_context(locked_checkpoint(name, training_hash, training_lock(name, SUPERVISED)))

    checkpoint = in_first_process(fabric, lock_checkpoint)
    family, title = description.architecture.family, f"{name} {SUPERVISED}"
    fitted = fit(model, family, train, val, training, fabric, title, checkpoint, cells=cells)
    return Taught(model, description, fitted, checkpoint)


def cell_task(model: Classifier, px: int, train: Labelled, val: Labelled) -> CellTask:
    """Return the truth of the tiles in the cells of a model's map."""
    shape, cell_px = map_shape(model, px), round(model.cell_px)
    return CellTask(CellTruth(train.tiles, cell_px, shape), CellTruth(val.tiles, cell_px, shape))


def cells_by(
    model: Classifier, tiles: Tiles, index: pd.DataFrame, training: Training, fabric: Fabric
) -> NDArray[np.float32]:
    """Return (N, rows, columns) the logits of the cells of N tiles by a taught network.

    Args:
        model: the network.
        tiles: where the pixels are.
        index: lines of their index: the N tiles.
        training: its recipe, of which the batch counts.
        fabric: the engine, started.
    """
    some = replace(tiles, index=index)
    return predict_cells(model, some, training.batch, fabric, map_shape(model, tiles.px))


def with_seed(training: Training, seed: int) -> Training:
    """Return the same recipe under another seed."""
    return replace(training, seed=seed)


def training_record(training: Training, fitted: Fitted, tiles: Sequence[Labelled]) -> dict[str, Any]:
    """Return what is kept beside the weights: which epoch, by what loss, of how many tiles and what truth."""
    train, val = tiles
    return {
        "best_epoch": fitted.best.epoch,
        "epochs": [{"epoch": one.epoch, "train": one.train_loss, "val": one.val_loss} for one in fitted.history],
        "train_tiles": len(train.codes),
        "annotated_train_tiles": annotated_count(train),
        "val_tiles": len(val.codes),
        "truths": train.tiles.truths,
        "seed": training.seed,
    }


def _select(tiles: Labelled, chosen: np.ndarray) -> Labelled:
    """Return the tiles at some places, or those of a mask (N,) bool."""
    index = tiles.tiles.index.loc[chosen].reset_index(drop=True)
    return Labelled(Tiles(tiles.tiles.folder, index), tiles.codes[chosen], tiles.classes)
