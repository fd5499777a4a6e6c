"""Tiles on disk: the columns of their index and of a split, and reading pixels and truth by row from the shards."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from stages.records.arrays import RowFile
from stages.records.shards import EXACT, IMAGES, INDEX_FILE, TRUTHS, shard_file
from stages.records.tables import Column, read_table
from stages.runtime.errors import InputError

UNKNOWN_PX = -1  # area of a truth that the data set does not have
INDEX_COLUMNS = {  # <tiles folder>/index.parquet: one line per tile, in the order of the shards
    "tile_id": Column("text", "<source>@<x>,<y>: unique"),
    "source": Column("text", "the image: its posix path below the data set's folder"),
    "group": Column("text", "what was photographed: a board design, a part, a sequence"),
    "official": Column("text", 'the part that the publisher put the image in: train, val, test, or "" for none'),
    "x": Column("int32", "left side of the tile's window in the source image, in its pixels"),
    "y": Column("int32", "upper side of the window"),
    "width": Column("int32", "of the window, in source pixels; another one than the tile's where it was resized"),
    "height": Column("int32", "of the window, in source pixels"),
    "defect_px": Column("int32", f"annotated source pixels in the window, which decide the label; {UNKNOWN_PX}: none"),
    "exact_px": Column("int32", f"source pixels of the exact mask in the window; {UNKNOWN_PX}: there is no mask"),
    "label": Column("text", "good or defective"),
    "defect_class": Column("text", "good, or the kind of defect"),
    "annotation": Column("text", "what decided about the label: mask, boxes, or label (of the whole image)"),
    "pixels_sha": Column("text", "of the whole source image, see `stages.records.hashes.pixels_sha`"),
    "shard": Column("int32", "number of the shard files that hold the tile"),
    "row": Column("int32", "place of the tile in them"),
}
SPLIT_COLUMNS = {  # the split file: one line per tile, in the order of the index
    "tile_id": Column("text", "as in the index"),
    "split": Column("text", "train, val, test, or unused"),
}


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

    def known(self, kind: str) -> np.ndarray:
        """Return (n,) bool: the tile has this truth; False where others have an exact mask and this one boxes alone."""
        if kind != EXACT:
            return np.ones(len(self.index), bool)
        return (self.index["exact_px"] != UNKNOWN_PX).to_numpy(dtype=bool)

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
    """Open tiles.

    Args:
        folder: where shards and index are.
        split_file: adds its column `split` to the index.

    Raises:
        InputError: a file is missing or broken, or the split is of other tiles.
    """
    index = read_table(folder / INDEX_FILE, "tile", columns=INDEX_COLUMNS)
    if split_file is not None:
        split = read_table(split_file, "split", columns=SPLIT_COLUMNS)
        if list(split["tile_id"]) != list(index["tile_id"]):
            raise InputError(f"{split_file}: is not the split of {folder}; run the split stage (`dvc repro`)")
        index = index.assign(split=split["split"].to_numpy())
    return Tiles(folder, index)
