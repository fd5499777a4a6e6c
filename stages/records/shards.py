"""Writing tile shards: a few large .npy files, filled tile by tile, the same bytes for the same tiles.

Raw bytes, decided by measurement (`python -m tests.benchmarks.loader`: 2,048 tiles of 112 px of generated boards, on
a busy machine; all without loss, tiles one after another in a single file, decoded singly in random order):

    way             bytes   to write a tile   tiles per second read at random
    raw              100%           0.05 ms   71,200
    lz4               65%           0.36 ms   14,800
    zstd, level 1     51%           0.54 ms    5,200
    zlib, level 1     49%           1.32 ms    2,800
    PNG, level 6      35%           3.34 ms    2,400
    PNG, level 1      40%           1.05 ms    2,200
    WebP              23%          20.94 ms    1,600

A compressed tile takes several times as long to write as its part of a JPEG takes to decode, which would make the tile
stage several times as long, and reading becomes what training waits for on a GPU. Disk is cheap beside that: all 76,680
tiles of HRIPCB at 224 px are 11.5 GB. Few files, because `dvc add` takes 2.7 s for eight shards of 1,024 tiles (308 MB)
and 10.1 s for as many tiles in files of 15 kB (123 MB). An .npy file can be memory-mapped; no format of our own.
The truth is one bit a pixel (np.packbits along x), an eighth of a byte mask.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

SHARD_TILES = 1024
ROWS_AT_A_TIME = 16
IMAGES, BOXES, EXACT = "images", "boxes", "exact"  # first part of a shard's file name
TRUTHS = (BOXES, EXACT)
INDEX_FILE = "index.parquet"
SIGNATURES_FILE = "signatures.npy"  # (images, 10, 10) of whole source images, in the order of the index

_HEADER_BYTES = 128  # numpy pads headers so that the number of rows can grow in place


def shard_file(folder: Path, kind: str, shard: int) -> Path:
    """Return where shard 0, 1, ... of images, boxes or exact lies: <folder>/images-0000.npy."""
    return folder / f"{kind}-{shard:04d}.npy"


class ShardWriter:
    """Appends uint8 rows of one kind; memory holds only the rows given. Use as a context manager.

    Args:
        folder: where the shards are made.
        kind: images, boxes or exact.
        row_shape: of one row.
    """

    def __init__(self, folder: Path, kind: str, row_shape: tuple[int, ...]) -> None:
        self._folder, self._kind, self._row_shape = folder, kind, row_shape
        self._rows = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def append(self, rows: Sequence[np.ndarray] | np.ndarray) -> None:
        """Append n rows of `row_shape`, uint8, starting new shards where one is full.

        Rows may be views with gaps; they are brought together a few at a time, because fresh memory for all the tiles
        of a large image costs more than copying them.
        """
        start = 0
        while start < len(rows):
            if self._file is None or self._rows % SHARD_TILES == 0:
                self._open()
            assert self._file is not None
            room = SHARD_TILES - self._rows % SHARD_TILES
            piece = np.stack(list(rows[start : start + min(room, ROWS_AT_A_TIME)]))
            assert piece.dtype == np.uint8, piece.dtype
            assert piece.shape[1:] == self._row_shape, piece.shape
            self._file.write(piece.data)
            self._rows += len(piece)
            start += len(piece)

    def _open(self) -> None:
        self._close()
        self._file = shard_file(self._folder, self._kind, self._rows // SHARD_TILES).open("wb")
        self._file.write(bytes(_HEADER_BYTES))  # its number of rows is known when the shard is closed

    def _close(self) -> None:
        if self._file is None:
            return
        rows = self._rows - (self._rows - 1) // SHARD_TILES * SHARD_TILES
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, *self._row_shape)}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)
        assert self._file.tell() == _HEADER_BYTES, self._file.tell()
        self._file.close()
        self._file = None
