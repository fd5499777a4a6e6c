"""The tiles that are scored: their truth, and what the classifier said of each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from stages.heatmaps.maps import Maps
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError

CHUNK_TILES = 64  # read at a time: 13 MB of one truth and one setting at 224 px
SPLITS = ("val", "test")

Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredTiles:
    """The N validation and test tiles that a model was explained for, always in the order of the tile index.

    A row is a number 0..N-1 of one of them.
    """

    tiles: Tiles
    maps_rows: Rows  # (N,) row of each tile in data/maps/<model>
    positions: Rows  # (N,) row of each tile in the index of `tiles`
    index: pd.DataFrame  # N lines of that index
    probability: NDArray[np.float64]  # (N,) of a defect, by the classifier
    defective: Bools  # (N,)
    splits: dict[str, Bools]  # "val" and "test" -> (N,)

    @property
    def px(self) -> int:
        """Side of a tile in pixels."""
        return self.tiles.px

    @property
    def truths(self) -> tuple[str, ...]:
        """The kinds of truth that there are, boxes first."""
        return self.tiles.truths

    def rows(self, split: str) -> Rows:
        """Return the rows of a split, ascending."""
        return np.flatnonzero(self.splits[split])

    def truth(self, rows: Rows) -> dict[str, Bools]:
        """Return kind of truth -> (n, px, px) of these rows."""
        return {kind: self.tiles.truth(kind, self.positions[rows]) for kind in self.truths}

    def known(self, rows: Rows) -> dict[str, Bools]:
        """Return kind of truth -> (n,) whether these rows have it; where not, nothing of it is scored."""
        return {kind: self.tiles.known(kind)[self.positions[rows]] for kind in self.truths}

    def images(self, rows: Rows) -> NDArray[np.uint8]:
        """Return the pictures (n, px, px, 3) RGB of these rows."""
        images: NDArray[np.uint8] = self.tiles.images(self.positions[rows])
        return images

    @property
    def test_index(self) -> pd.DataFrame:
        """The lines of the tile index of the test tiles, in the order of their rows."""
        return self.index.iloc[self.rows("test")]


def join_tiles(maps: Maps, tiles: Tiles) -> ScoredTiles:
    """Join what explain left of a model with the tiles, in the same order whichever explain wrote.

    Raises:
        InputError: a tile of the maps is not there, a split is empty, or a logit is not finite.
    """
    positions = maps.positions_in(tiles)
    rows = np.argsort(positions)
    explained, positions = maps.index.iloc[rows], positions[rows]
    splits = {split: (explained["split"] == split).to_numpy(bool) for split in SPLITS}
    for split, members in splits.items():
        if not members.any():
            raise InputError(f"{maps.folder}: there is no {split} tile; run the split, train and explain stages again")
    logit = explained["logit"].to_numpy(np.float64)
    if "predicted" in explained and np.isnan(logit).all():
        logit = np.full(len(logit), np.inf)  # a classifier of kinds that knows no good tile: all are defective
    elif not np.isfinite(logit).all():
        raise InputError(f"{maps.folder / 'index.parquet'}: a logit is not finite; train the model again")
    index = tiles.index.iloc[positions].reset_index(drop=True)
    return ScoredTiles(tiles, rows, positions, index, expit(logit), tiles.labels[positions], splits)


def chunks(rows: Rows) -> Iterator[Rows]:
    """Yield rows in pieces that fit in memory at tile size."""
    for start in range(0, len(rows), CHUNK_TILES):
        yield rows[start : start + CHUNK_TILES]
