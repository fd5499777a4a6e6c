"""Tiles as batches of images for a model: N C H W float in 0..1, and the order in which training sees them."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stages.runtime.seeds import derive_seed


class Tiles(Protocol):
    """What training and prediction need of a set of tiles (`stages.datasets.tiles.Tiles` is one)."""

    @property
    def index(self) -> pd.DataFrame:
        """One row per tile, with a column `tile_id`."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) bool, True = defective."""

    def images(self, positions: np.ndarray) -> np.ndarray:
        """(n, H, W, 3) uint8 of the rows at `positions`."""


def to_images(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Return pixels (N, H, W, 3) uint8 as images (N, 3, H, W) float32 in 0..1, laid out as they are (N H W C)."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def in_order(tiles: Tiles, batch: int) -> Iterator[np.ndarray]:
    """Yield the positions 0..len-1 in chunks of `batch`."""
    for start in range(0, len(tiles.index), batch):
        yield np.arange(start, min(start + batch, len(tiles.index)))


def epoch_order(labels: np.ndarray, good_per_defective: float | None, seed: int, epoch: int) -> np.ndarray:
    """Return the positions that one epoch of training visits, shuffled.

    All defective tiles, and all good ones or `good_per_defective` times as many, drawn without replacement and anew
    each epoch: good tiles outnumber defective ones 20 to 1 on real boards and are much alike.
    """
    random = np.random.default_rng(derive_seed(seed, "order", epoch))
    defective, good = np.flatnonzero(labels), np.flatnonzero(~labels)
    if good_per_defective is not None:
        count = min(len(good), max(1, round(good_per_defective * len(defective))))
        good = random.choice(good, size=count, replace=False)
    return random.permutation(np.concatenate((defective, good)))


def random_flips(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Flip each tile (N, H, W, 3) left-right and up-down, each with probability 0.5 (thesis section 2.4.2)."""
    across, down = random.random((2, len(pixels))) < 0.5
    flipped = pixels.copy()
    flipped[across] = flipped[across, :, ::-1]
    flipped[down] = flipped[down, ::-1]
    return flipped
