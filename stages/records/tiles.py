"""Reading tiles: the index as a table, pixels and truth by row from the shards."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from stages.records.row_files import RowFile
from stages.records.shards import IMAGES, INDEX_FILE, TRUTHS, shard_file
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Tiles:
    """Tiles of one data set; `index` has one row per tile and, when opened with a split file, the column `split`."""

    folder: Path
    index: pd.DataFrame
    _shards: dict[tuple[str, int], RowFile] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.index)

    def select(self, split: str | tuple[str, ...]) -> "Tiles":
        """Return the tiles of a split (or of several), in index order, rows numbered anew from 0.

        Raises:
            InputError: no tile is in it, or the tiles were opened without a split file.
        """
        if "split" not in self.index:
            raise InputError(f"{self.folder}: opened without a split file; run the split stage (`dvc repro`)")
        wanted = (split,) if isinstance(split, str) else split
        chosen = self.index[self.index["split"].isin(wanted)]
        if chosen.empty:
            raise InputError(f"{self.folder}: no tile is in split {' or '.join(wanted)}; see `split` in params.yaml")
        return dataclasses.replace(self, index=chosen.reset_index(drop=True))

    def images(self, positions: np.ndarray) -> np.ndarray:
        """Return tiles as (n, px, px, 3) uint8 RGB; `positions` (n,) are row numbers of `index`."""
        return self._rows(IMAGES, positions)

    def truth(self, kind: str, positions: np.ndarray) -> np.ndarray:
        """Return the truth of `kind` ("boxes" or "exact") as (n, px, px) bool, True is defect.

        Raises:
            InputError: the data set does not have that kind.
        """
        if kind not in self.truths:
            known = ", ".join(self.truths) or "none"
            raise InputError(f"{self.folder}: no {kind!r} truth; it has: {known} (rank.truth in params.yaml)")
        packed = self._rows(kind, positions)
        return np.unpackbits(packed, axis=-1, count=packed.shape[1]).view(bool)

    @property
    def truths(self) -> tuple[str, ...]:
        """The kinds of truth that the data set has, boxes first."""
        return tuple(kind for kind in TRUTHS if shard_file(self.folder, kind, 0).is_file())

    @property
    def labels(self) -> np.ndarray:
        """(n,) bool: True is defective."""
        return (self.index["label"] == "defective").to_numpy(dtype=bool)

    @property
    def classes(self) -> tuple[str, ...]:
        """The values of `defect_class`, "good" first where there is any, the others sorted; after `select` of those."""
        found = set(self.index["defect_class"])
        return (*(("good",) if "good" in found else ()), *sorted(found - {"good"}))

    def class_codes(self, classes: Sequence[str]) -> np.ndarray:
        """Return (n,) int64: the place of each tile's `defect_class` in `classes`, the order of a model's logits.

        Raises:
            InputError: a tile is of a class that is not among them.
        """
        codes = pd.Index(classes).get_indexer(pd.Index(self.index["defect_class"]))
        if (codes < 0).any():
            strange = self.index["defect_class"].iloc[int(np.argmin(codes))]
            raise InputError(f"{self.folder}: has tiles of class {strange!r}; known: {', '.join(classes)}")
        return codes.astype(np.int64)

    @property
    def px(self) -> int:
        """Side of a tile in pixels."""
        return int(self._shard(IMAGES, 0).shape[1])

    def _rows(self, kind: str, positions: np.ndarray) -> np.ndarray:
        positions = np.asarray(positions, dtype=np.int64)
        shards = self.index["shard"].to_numpy()[positions]
        rows = self.index["row"].to_numpy()[positions]
        found = np.empty((len(positions), *self._shard(kind, 0).shape[1:]), np.uint8)
        for shard in np.unique(shards).tolist():
            here = np.flatnonzero(shards == shard)
            self._shard(kind, shard).read_into(found, here.tolist(), rows[here].tolist())
        return found

    def _shard(self, kind: str, shard: int) -> RowFile:
        if (kind, shard) not in self._shards:
            self._shards[kind, shard] = RowFile(shard_file(self.folder, kind, shard), "tile")
        return self._shards[kind, shard]


def open_tiles(folder: Path, split_file: Path | None = None) -> Tiles:
    """Open the tiles in `folder`, with the column `split` where a split file is given.

    Raises:
        InputError: a file is missing or broken, or the split is of other tiles.
    """
    index = read_table(folder / INDEX_FILE, "tile")
    if split_file is not None:
        split = read_table(split_file, "split")
        if list(split["tile_id"]) != list(index["tile_id"]):
            raise InputError(f"{split_file}: is not the split of {folder}; run the split stage (`dvc repro`)")
        index = index.assign(split=split["split"].to_numpy())
    return Tiles(folder, index)


def read_table(path: Path, stage: str, only: list[tuple[str, str, str]] | None = None) -> pd.DataFrame:
    """Read a parquet table that a stage made.

    Args:
        only: conditions (column, "==", value) on the lines that are read; None for all.

    Raises:
        InputError: it is missing or broken.
    """
    try:
        return pd.read_parquet(path, filters=only)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run the {stage} stage (`dvc repro`)") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(
            f"{path}: not readable ({' '.join(str(error).split())}); run the {stage} stage again"
        ) from None
