"""How much of the test tiles a split lets train see: by source image, by group, by identical pixels, and by looks."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from stages.datasets.lookalikes import find_alike, signature
from stages.records.arrays import RowFile
from stages.records.hashes import pixels_sha
from stages.records.shards import SIGNATURES_FILE
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError
from stages.runtime.params import Task
from stages.tiling.settings import Split
from stages.tiling.splits import split_tiles

TILES_AT_A_TIME = 256
WAYS: tuple[Literal["group", "image", "tile"], ...] = ("group", "image", "tile")
KINDS = {"source": "source", "group": "group", "pixels": "tile_sha"}  # what is shared: the column that says so


@dataclass(frozen=True)
class Looks:
    """What pictures look like, see `stages.datasets.lookalikes.signature`.

    Attributes:
        tiles: (n, 10, 10) float32, of each tile of the index.
        images: (m, 10, 10) float32, of each source image, in the order in which the index first names them.
    """

    tiles: np.ndarray
    images: np.ndarray


def read_pixels(tiles: Tiles) -> tuple[np.ndarray, Looks]:
    """Return the hash of each tile's pixels as stored in the shards, and what tiles and their images look like.

    Made where it is needed instead of being columns of the index: reading all tiles again takes a fraction of the time
    that cutting them takes, and the hash would cost the tile stage as much as that of the whole image.

    Args:
        tiles: n tiles.

    Returns:
        (n,) str, see `stages.records.hashes.pixels_sha`; the signatures.

    Raises:
        InputError: the signatures of the images are missing, or not as many as there are images.
    """
    shas, looks = [], []
    for start in range(0, len(tiles), TILES_AT_A_TIME):
        for tile in tiles.images(np.arange(start, min(start + TILES_AT_A_TIME, len(tiles)))):
            shas.append(pixels_sha(tile))
            looks.append(signature(tile))
    path, images = tiles.folder / SIGNATURES_FILE, tiles.index["source"].nunique()
    file = RowFile(path, "tile")
    if len(file) != images:
        raise InputError(f"{path}: of {len(file)} images, but there are {images}; run the tile stage again")
    return np.array(shas, dtype=str), Looks(np.stack(looks), file.read(np.arange(images)))


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
        figures |= _share(kind, int(test[column].isin(set(train[column])).sum()), len(test))
    return figures


def leakage_by_looks(index: pd.DataFrame, looks: Looks, assigned: np.ndarray) -> dict[str, float]:
    """Return how many test tiles, and test images, look like a train tile or image, as they are or turned.

    Saved again, turned or mirrored, a picture has other pixels; windows of a turned image lie elsewhere in it unless
    they cover it evenly, so whole images are compared, too.

    Args:
        index: n tiles, with `source`.
        looks: of the same tiles and their images.
        assigned: (n,) train, val, test or unused.

    Returns:
        `alike_tiles`: test tiles that look like a train tile as they are (with its very pixels or saved again; blank
        tiles are like nothing); `turned_tiles`: the others that look like one when turned by 90, 180 or 270 degrees or
        mirrored; each as `<kind>_percent` of all test tiles, too, NaN without any. `test_images`: source images with
        test tiles; `alike_images`, `turned_images`: of these, that look like another image with train tiles.
    """
    parts = {name: np.flatnonzero(assigned == name) for name in ("train", "test")}
    alike, turned = _count(looks.tiles, parts["test"], parts["train"])
    tests = len(parts["test"])
    figures = _share("alike", alike, tests) | _share("turned", turned, tests)
    images, _ = pd.factorize(index["source"])  # numbered as first named
    of_part = {name: np.unique(images[rows]) for name, rows in parts.items()}
    alike, turned = _count(looks.images, of_part["test"], of_part["train"])
    return figures | {"test_images": len(of_part["test"]), "alike_images": alike, "turned_images": turned}


def leakage_of_ways(tiles: Tiles, table: pd.DataFrame, split: Split, task: Task = "binary") -> dict[str, Any]:
    """Return the leakage of the split in use, and of what every other `split.by` would have made of the same tiles.

    Args:
        tiles: all tiles.
        table: the split in use, `tile_id` and `split` in the order of `tiles.index`.
        split: its parameters; the other ways differ in `by` alone.
        task: of `split_tiles`.

    Returns:
        `in_use`: the name of the way in use; each way's figures (see `leakage`, `leakage_by_looks`) by its name, None
        where the tiles cannot be split that way (too few groups, a split without one of the labels).

    Raises:
        InputError: see `read_pixels`.
    """
    shas, looks = read_pixels(tiles)
    index = tiles.index.assign(tile_sha=shas)
    report: dict[str, Any] = {"in_use": split.by}
    for by in WAYS:
        try:
            this = table if by == split.by else split_tiles(tiles.index, dataclasses.replace(split, by=by), task)
        except InputError:
            report[by] = None
            continue
        assigned = this["split"].to_numpy(dtype=str)
        report[by] = leakage(index, assigned) | leakage_by_looks(index, looks, assigned)
    return report


def _share(kind: str, count: int, tests: int) -> dict[str, float]:
    return {f"{kind}_tiles": count, f"{kind}_percent": 100 * count / tests if tests else math.nan}


def _count(looks: np.ndarray, tests: np.ndarray, trains: np.ndarray) -> tuple[int, int]:
    """Return how many of the rows `tests` look like another row of `trains` as they are, and how many only turned."""
    pairs = find_alike(looks[tests], looks[trains])
    other = tests[pairs.first] != trains[pairs.second]
    as_is = np.unique(pairs.first[other & pairs.as_is])
    turned = np.unique(pairs.first[other & pairs.turned])
    return len(as_is), len(np.setdiff1d(turned, as_is))
