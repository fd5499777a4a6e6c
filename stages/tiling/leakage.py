"""How much of the test tiles a split lets train see: by source image, by group, and by identical pixels."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from stages.records.hashes import pixels_sha
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError
from stages.runtime.params import Task
from stages.tiling.settings import Split
from stages.tiling.splits import split_tiles

TILES_AT_A_TIME = 256
WAYS: tuple[Literal["group", "image", "tile"], ...] = ("group", "image", "tile")
KINDS = {"source": "source", "group": "group", "pixels": "tile_sha"}  # what is shared: the column that says so


def tile_shas(tiles: Tiles) -> np.ndarray:
    """Return the hash of each tile's pixels, as stored in the shards.

    Made where it is needed instead of being a column of the index: reading all tiles again takes a fraction of the time
    that cutting them takes, and the hash would cost the tile stage as much as that of the whole image.

    Args:
        tiles: n tiles.

    Returns:
        (n,) str, see `stages.records.hashes.pixels_sha`.
    """
    found = []
    for start in range(0, len(tiles), TILES_AT_A_TIME):
        pixels = tiles.images(np.arange(start, min(start + TILES_AT_A_TIME, len(tiles))))
        found += [pixels_sha(tile) for tile in pixels]
    return np.array(found, dtype=str)


def leakage(index: pd.DataFrame, assigned: np.ndarray) -> dict[str, float]:
    """Return how many test tiles share something with a train tile.

    Args:
        index: one row per tile with `source`, `group` and `tile_sha`.
        assigned: (n,) train, val, test or unused.

    Returns:
        `test`: test tiles; for each of `source`, `group` and `pixels` (tiles with exactly the same pixels) the number
        `<kind>_tiles` of test tiles that share it with train, and `<kind>_percent` of all test tiles, NaN without any.
    """
    train, test = index[assigned == "train"], index[assigned == "test"]
    figures: dict[str, float] = {"test": len(test)}
    for kind, column in KINDS.items():
        shared = int(test[column].isin(set(train[column])).sum())
        figures[f"{kind}_tiles"] = shared
        figures[f"{kind}_percent"] = 100 * shared / len(test) if len(test) else math.nan
    return figures


def leakage_of_ways(tiles: Tiles, table: pd.DataFrame, split: Split, task: Task = "binary") -> dict[str, Any]:
    """Return the leakage of the split in use, and of what every other `split.by` would have made of the same tiles.

    Args:
        tiles: all tiles.
        table: the split in use, `tile_id` and `split` in the order of `tiles.index`.
        split: its parameters; the other ways differ in `by` alone.
        task: of `split_tiles`.

    Returns:
        `in_use`: the name of the way in use; each way's figures (see `leakage`) by its name, None where the tiles
        cannot be split that way (too few groups, a split without one of the labels).
    """
    index = tiles.index.assign(tile_sha=tile_shas(tiles))
    report: dict[str, Any] = {"in_use": split.by}
    for by in WAYS:
        try:
            this = table if by == split.by else split_tiles(tiles.index, dataclasses.replace(split, by=by), task)
            report[by] = leakage(index, this["split"].to_numpy(dtype=str))
        except InputError:
            report[by] = None
    return report
