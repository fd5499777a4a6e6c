"""Tiles as batches of images for a model: N C H W float in 0..1, and the order in which training sees them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stages.runtime.seeds import derive_seed


class Tiles(Protocol):
    """What training and prediction need of a set of tiles (`stages.records.tiles.Tiles` is one)."""

    @property
    def index(self) -> pd.DataFrame:
        """One row per tile, with a column `tile_id`."""

    def images(self, positions: np.ndarray) -> np.ndarray:
        """(n, H, W, 3) uint8 of the rows at `positions`."""


class ClassTiles(Tiles, Protocol):
    """What training needs besides where there are more classes than good and defective."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The kinds of defect, "good" first where there is any."""

    def class_codes(self, classes: Sequence[str]) -> np.ndarray:
        """(N,) int64, the place of each tile's class in `classes`."""


class SplitTiles(ClassTiles, Protocol):
    """All tiles of a data set, with the split of each."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) bool: True is defective."""

    def select(self, split: str) -> "SplitTiles":
        """Return the tiles of one split."""


@dataclass(frozen=True)
class Labelled:
    """Tiles and the class of each: codes (N,) int64 are places in `classes`; binary: good 0, defective 1."""

    tiles: Tiles
    codes: np.ndarray
    classes: tuple[str, ...]

    @property
    def defective(self) -> np.ndarray:
        """(N,) bool: False for tiles of the class `good`; without such a class all tiles are defective."""
        good = self.classes.index("good") if "good" in self.classes else -1
        return self.codes != good


def labelled(tiles: SplitTiles, split: str, task: str) -> Labelled:
    """Return the tiles of a split with their classes: of a binary task good and defective, else those of all tiles."""
    chosen = tiles.select(split)
    if task == "binary":
        return Labelled(chosen, chosen.labels.astype(np.int64), ("good", "defective"))
    return Labelled(chosen, chosen.class_codes(tiles.classes), tiles.classes)


def to_images(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Return pixels (N, H, W, 3) uint8 as images (N, 3, H, W) float32 in 0..1, laid out as they are (N H W C)."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def in_order(tiles: Tiles, batch: int) -> Iterator[np.ndarray]:
    """Yield the positions 0..len-1 in chunks of `batch`."""
    for start in range(0, len(tiles.index), batch):
        yield np.arange(start, min(start + batch, len(tiles.index)))


def epoch_order(defective: np.ndarray, good_per_defective: float | None, seed: int, epoch: int) -> np.ndarray:
    """Return the positions that one epoch of training visits, shuffled.

    All defective tiles, and all good ones or `good_per_defective` times as many, drawn without replacement and anew
    each epoch: good tiles outnumber defective ones 20 to 1 on real boards and are much alike.

    Args:
        defective: (N,) bool; where all are, as in a data set of defects only, all are visited.
        good_per_defective: good tiles per defective one, or None for all good tiles.
        seed, epoch: what the draw depends on.
    """
    random = np.random.default_rng(derive_seed(seed, "order", epoch))
    bad, good = np.flatnonzero(defective), np.flatnonzero(~defective)
    if good_per_defective is not None and len(good):
        count = min(len(good), max(1, round(good_per_defective * len(bad))))
        good = random.choice(good, size=count, replace=False)
    return random.permutation(np.concatenate((bad, good)))


def draw_flips(count: int, random: np.random.Generator) -> np.ndarray:
    """Draw (2, count) bool: flip left-right, flip up-down, each with probability 0.5 (thesis section 2.4.2)."""
    return random.random((2, count)) < 0.5


def flip(pixels: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """Return tiles (N, H, W, 3), each flipped as its column of `flips` (2, N) says."""
    across, down = flips
    flipped = pixels.copy()
    flipped[across] = flipped[across, :, ::-1]
    flipped[down] = flipped[down, ::-1]
    return flipped
