"""Learning where: how much of each cell of a map is defect, instead of the class of the tile.

    loss = mean_n w[y_n] mean_cells  -(t log sigmoid(z) + (1 - t) log sigmoid(-z))

z is the neuron's value at a cell plus its bias, t the fraction of the cell that the truth covers, 0..1. The network
whose sigmoid(z) is t everywhere is the perfect map of that grid. One neuron serves whatever the kinds of defects are,
since the truth says where and not which.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.models.batches import Labelled, flip
from stages.models.outputs import Outputs
from stages.models.weights import Classifier
from stages.records.shards import BOXES, EXACT
from stages.records.tiles import UNKNOWN_PX, Tiles


@dataclass(frozen=True)
class CellTruth:
    """The truth of tiles in the cells of a map: exact masks where there are any, else boxes."""

    tiles: Tiles
    cell_px: int  # side of a cell
    shape: tuple[int, int]  # rows and columns of the map

    def of(self, positions: np.ndarray, flips: np.ndarray | None = None) -> Tensor:
        """Return (n, rows, columns) float32 the fraction of each cell that is defect; cells end at the tile's border.

        Args:
            positions: (n,) of the tiles.
            flips: (2, n) how each is flipped, see `stages.models.batches.draw_flips`; None: not at all.
        """
        masks = truth_of(self.tiles, positions)
        if flips is not None:
            masks = flip(masks, flips)
        return covered(torch.from_numpy(masks), self.cell_px, self.shape)


@dataclass(frozen=True)
class CellTask:
    """What a training by cells learns from, and what it is validated on."""

    train: CellTruth
    val: CellTruth


def covered(masks: Tensor, cell_px: int, shape: tuple[int, int]) -> Tensor:
    """Return (N, rows, columns) float32 the mean of masks (N, px, px) bool in square cells from the upper left corner.

    The last cells may end with the tile, and are means of what is inside.

    >>> covered(torch.tensor([[[True, True, False], [True, False, False], [True, True, True]]]), 2, (2, 2)).tolist()
    [[[0.75, 0.0], [1.0, 1.0]]]
    """
    cells = functional.avg_pool2d(masks[:, None].float(), cell_px, ceil_mode=True, count_include_pad=False)
    return cells[:, 0, : shape[0], : shape[1]]


def truth_of(tiles: Tiles, positions: np.ndarray) -> np.ndarray:
    """Return (n, px, px) bool: of each tile the exact mask, or its boxes where it has none of its own.

    Raises:
        InputError: the data set has no truth.
    """
    kinds = tiles.truths
    masks = tiles.truth(kinds[-1] if kinds else EXACT, positions)  # exact stands behind boxes
    if kinds == (BOXES, EXACT):
        lacking = np.flatnonzero(tiles.index["exact_px"].to_numpy()[positions] == UNKNOWN_PX)
        if len(lacking):
            masks[lacking] = tiles.truth(BOXES, np.asarray(positions)[lacking])
    return masks


def annotated(tiles: Labelled) -> np.ndarray:
    """Return (N,) bool: good tiles, and those defective ones whose place is known; none of them without any truth."""
    kinds = tiles.tiles.truths
    if not kinds:
        return np.zeros(len(tiles.codes), bool)
    known = ~tiles.defective
    for start in range(0, len(known), 256):
        rows = np.arange(start, min(start + 256, len(known)))
        known[rows] |= truth_of(tiles.tiles, rows).any(axis=(1, 2))
    return known


def cell_logits(model: Any, outputs: Outputs) -> Tensor:
    """Return (N, K, rows, columns) float32 the neurons' values at each cell, with their bias."""
    assert outputs.heatmaps is not None
    return outputs.heatmaps.float() + model.head.bias.view(1, -1, 1, 1)


def cell_loss(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross entropy of cells in nats, a scalar.

    Args:
        logits: (N, rows, columns).
        truth: the same shape, 0..1.
        weights: (N,) of each tile, or None for 1.
    """
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=(1, 2))
    return (each if weights is None else each * weights).mean()


@torch.inference_mode()
def map_shape(model: Classifier, px: int) -> tuple[int, int]:
    """Return rows and columns of the map of a tile of px x px."""
    model.eval()
    device = next(model.parameters()).device
    maps = model(torch.zeros(1, 3, px, px, device=device), explain=True).heatmaps
    assert maps is not None
    return maps.shape[2], maps.shape[3]
