"""The supervised reference of one model: what its network learns from is the truth of train tiles, cell by cell.

What does annotation buy? The same network with the same recipe, seed, tiles and cells, but for each cell the truth that
the model itself never sees. Of a ViT that reads its class token, which has no class map, the patch tokens are read.
Defective tiles whose place nobody marked are left out, since their cells would be taken for good ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from stages.models.batches import Labelled, labelled
from stages.models.weights import Classifier
from stages.records.paths import split_file, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.convert import EMPTY_TOO
from stages.runtime.params import Params
from stages.runtime.seeds import derive_seed
from stages.training.cells import CellTask, CellTruth, annotated, map_shape
from stages.training.loop import Fitted
from stages.training.settings import Training

SUPERVISED = "supervised"  # its name in explain.references


def is_wanted(params: Params) -> bool:
    """Return whether `explain.references` has it."""
    wanted: tuple[str, ...] = params.value("explain.references", Annotated[tuple[str, ...], EMPTY_TOO])
    return SUPERVISED in wanted


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

    A larger share of the same seed holds the smaller one.
    """
    defective = np.flatnonzero(tiles.defective)
    random = np.random.default_rng(derive_seed(seed, "annotated share"))
    kept = random.permutation(defective)[: max(1, round(share * len(defective)))]
    chosen = ~tiles.defective
    chosen[kept] = True
    return _select(tiles, chosen)


def cell_task(model: Classifier, px: int, train: Labelled, val: Labelled) -> CellTask:
    """Return the truth of the tiles in the cells of a model's map."""
    shape, cell_px = map_shape(model, px), round(model.cell_px)
    return CellTask(CellTruth(train.tiles, cell_px, shape), CellTruth(val.tiles, cell_px, shape))


def training_record(training: Training, fitted: Fitted, tiles: Sequence[Labelled]) -> dict[str, Any]:
    """Return what is kept beside the weights: which epoch, by what loss, of how many tiles and what truth."""
    train, val = tiles
    return {
        "best_epoch": fitted.best.epoch,
        "epochs": [{"epoch": one.epoch, "train": one.train_loss, "val": one.val_loss} for one in fitted.history],
        "train_tiles": len(train.codes),
        "annotated_train_tiles": int(train.defective.sum()),
        "val_tiles": len(val.codes),
        "truths": train.tiles.truths,
        "seed": training.seed,
    }


def _select(tiles: Labelled, chosen: np.ndarray) -> Labelled:
    index = tiles.tiles.index[chosen].reset_index(drop=True)
    return Labelled(Tiles(tiles.tiles.folder, index), tiles.codes[chosen], tiles.classes)
