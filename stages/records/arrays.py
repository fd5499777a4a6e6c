"""Reading .npy files a few rows at a time; a file is open only while it is read.

A memory map keeps a descriptor for as long as it lives: one for each shard of tiles and each file of maps, of which a
process has often 256 or 1,024. Opening a file again costs a few microseconds, less than copying one tile
(`python -m tests.benchmarks.loader`); its pages stay in the system's cache either way.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError


class RowFile:
    """An .npy file (N, ...) of numbers whose rows are read by number.

    Args:
        path: the file; its header is read here, and its length checked.
        stage: the stage that makes it, for messages.

    Raises:
        InputError: the file is missing, or not a whole array of numbers.
    """

    def __init__(self, path: Path, stage: str) -> None:
        self.path, self._stage = path, stage
        try:
            with path.open("rb") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, in_columns, self.dtype = read(file)
                self._start = file.tell()
                length = path.stat().st_size
        except FileNotFoundError:
            raise InputError(f"{path}: missing; run the {stage} stage (`dvc repro`)") from None
        except (OSError, ValueError, EOFError) as error:
            raise self._broken(" ".join(str(error).split())) from None
        if in_columns or self.dtype.hasobject or not shape:
            raise self._broken("not rows of numbers")
        self.shape: tuple[int, ...] = shape
        self._row_bytes = self.dtype.itemsize * int(np.prod(shape[1:]))
        if length != self._start + len(self) * self._row_bytes:
            raise self._broken(f"{length} bytes, expected {self._start + len(self) * self._row_bytes}")

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def read(self, rows: NDArray[np.integer]) -> NDArray:
        """Return the rows (n, ...) of these numbers 0..N-1, in any order, as a new array.

        Raises:
            InputError: there are fewer rows, or the file cannot be read.
        """
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        self.read_into(found, range(len(rows)), np.asarray(rows).tolist())
        return found

    def read_into(self, found: NDArray, places: Sequence[int], rows: Sequence[int]) -> None:
        """Write row rows[i] of the file to found[places[i]]; errors as `read`.

        Plain numbers and not arrays, because a batch often has one or two rows of a file.
        """
        if not len(rows):
            return
        if min(rows) < 0 or max(rows) >= len(self):
            strange = min(rows) if min(rows) < 0 else max(rows)
            raise self._broken(f"it has rows 0 to {len(self) - 1}, not {strange}")
        if found.shape[1:] != self.shape[1:] or found.dtype != self.dtype:
            raise self._broken(f"its rows are {self.shape[1:]} {self.dtype}, expected {found.shape[1:]} {found.dtype}")
        into = found.reshape(-1).view(np.uint8).data
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                start = 0
                for end in range(1, len(rows) + 1):
                    # neighbours that follow each other, as in an ordered pass, are read together
                    if end == len(rows) or rows[end] != rows[end - 1] + 1 or places[end] != places[end - 1] + 1:
                        first, last = places[start] * self._row_bytes, (places[end - 1] + 1) * self._row_bytes
                        self._fill(file, into[first:last], rows[start])
                        start = end
            finally:
                os.close(file)
        except FileNotFoundError:
            raise InputError(f"{self.path}: missing; run the {self._stage} stage (`dvc repro`)") from None
        except OSError as error:
            raise self._broken(str(error)) from None

    def _fill(self, file: int, into: memoryview, row: int) -> None:
        offset = self._start + row * self._row_bytes
        while len(into):
            count = os.preadv(file, [into], offset)  # less than asked for above 2 GB
            if not count:
                raise self._broken("it ends too early")
            into, offset = into[count:], offset + count

    def _broken(self, reason: str) -> InputError:
        return InputError(f"{self.path}: not readable ({reason}); run the {self._stage} stage again")
