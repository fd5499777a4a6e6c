"""Tiles as batches of images for a model: N C H W float in 0..1, and the order in which training sees them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.records.tiles import Tiles
from stages.runtime.seeds import derive_seed


@dataclass(frozen=True)
class Labelled:
    """Tiles and the class of each."""

    tiles: Tiles
    codes: np.ndarray  # (N,) int64, places in `classes`; of a binary task good 0, defective 1
    classes: tuple[str, ...]

    @property
    def defective(self) -> np.ndarray:
        """(N,) bool: False for tiles of the class `good`; without such a class all tiles are defective."""
        return np.array(self.classes)[self.codes] != "good"


def labelled(tiles: Tiles, split: str, task: str) -> Labelled:
    """Return the tiles of one split with their classes.

    Args:
        tiles: of the whole data set, opened with its split.
        split: train | val | test.
        task: binary: the classes are good and defective | multiclass: those of the whole data set.

    Raises:
        InputError: no tile is in the split.
    """
    chosen = tiles.select(split)
    if task == "binary":
        return Labelled(chosen, chosen.labels.astype(np.int64), ("good", "defective"))
    return Labelled(chosen, chosen.class_codes(tiles.classes), tiles.classes)


def to_images(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Return pixels (N, H, W, 3) uint8 as images (N, 3, H, W) float32 in 0..1, laid out as they are (N H W C)."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)


def in_order(tiles: Tiles, batch: int) -> Iterator[np.ndarray]:
    """Yield the positions of all tiles, 0 to their number - 1, in arrays of `batch` of them, the last one shorter."""
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
    """Return a copy of tiles (N, H, W, 3), each flipped as its column of `flips` (2, N), see `draw_flips`, says."""
    left_right, up_down = flips
    flipped = pixels.copy()
    flipped[left_right] = flipped[left_right, :, ::-1]
    flipped[up_down] = flipped[up_down, ::-1]
    return flipped
