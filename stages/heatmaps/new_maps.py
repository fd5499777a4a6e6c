"""Writing heatmaps as `stages.heatmaps.maps` reads them: in pieces, with memory for one piece, and resumable.

A map is kept as two float32 numbers, its lowest and highest value, and float16 places between them (0 lowest, 1
highest). Half precision of the values themselves would lose maps that are small (below 6e-8 relevance vanishes) or
nearly constant (rollout of an untrained network differs in its fourth digit); places between the extremes are exact to
2^-12 of the map's range whatever its size. The thesis' scoring scales each map to its own range, so places are all it
uses; the raw scale, which comparing images needs, is given back by the two numbers.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.heatmaps.maps import maps_file, ranges_file, tile_scores_file
from stages.records.files import read_json, write_json

PROGRESS = "progress.json"

Explained = tuple[
    NDArray[np.integer], Mapping[str, NDArray[np.float32]], NDArray[np.float32], Mapping[str, NDArray[np.float32]]
]


class NewMaps:
    """Maps of `tiles` tiles in a folder that an earlier run may have begun; rows before `done` are complete."""

    def __init__(self, folder: Path, tiles: int) -> None:
        self.folder, self.tiles = folder, tiles
        progress = folder / PROGRESS
        self.done = int(read_json(progress)["done"]) if progress.is_file() else 0
        self._open: dict[Path, np.memmap] = {}

    def write(self, method: str, rows: NDArray[np.integer], heatmaps: NDArray[np.float32]) -> None:
        """Write the heatmaps (n, S, h, w) of these rows; finite values only."""
        low, high = heatmaps.min(axis=(2, 3)), heatmaps.max(axis=(2, 3))
        span = (high.astype(np.float64) - low)[..., None, None]
        places = np.divide(
            heatmaps - low[..., None, None].astype(np.float64), span, where=span > 0, out=np.zeros(heatmaps.shape)
        )
        self._array(maps_file(self.folder, method), np.float16, heatmaps.shape[1:])[rows] = places
        self._array(ranges_file(self.folder, method), np.float32, (*low.shape[1:], 2))[rows] = np.stack((low, high), -1)

    def write_logits(self, rows: NDArray[np.integer], logits: NDArray[np.float32]) -> None:
        """Write the logits (n,) or (n, K) of these rows."""
        self._array(self.folder / "logits.npy", np.float32, logits.shape[1:])[rows] = logits

    def write_tile_scores(self, method: str, rows: NDArray[np.integer], scores: NDArray[np.float32]) -> None:
        """Write how defective each of these tiles is (n,) to a method that says so itself: a reference."""
        self._array(tile_scores_file(self.folder, method), np.float32, ())[rows] = scores

    def fill(self, explained: Iterable[Explained], every: int) -> None:
        """Write tiles batch by batch from `done` on, as they come; after so many batches they are kept.

        Args:
            explained: rows (n,), ascending; method -> heatmaps (n, S, h, w); logits (n,) or (n, K); reference -> (n,).
            every: batches that a killed run loses at most.
        """
        done = self.done
        for number, (rows, heatmaps, logits, tile_scores) in enumerate(explained, 1):
            self.write_logits(rows, logits)
            for method, values in heatmaps.items():
                self.write(method, rows, values)
            for method, scores in tile_scores.items():
                self.write_tile_scores(method, rows, scores)
            done = int(rows[-1]) + 1
            if number % every == 0:
                self.commit(done)
        if done > self.done:
            self.commit(done)

    def commit(self, done: int) -> None:
        """Declare the rows before `done` complete: a run that is killed from now on resumes there."""
        for array in self._open.values():
            array.flush()
        write_json(self.folder / PROGRESS, {"done": done})
        self.done = done

    def finish(self, index: pd.DataFrame, classes: Sequence[str], description: Mapping[str, object]) -> None:
        """Write index and description; the folder is then what `open_maps` reads.

        Binary: `logit`. Multiclass: `predicted` class, and `logit` is the log-odds that a tile is not good, NaN where
        no class is "good"; the logits themselves stay in logits.npy, (N, K) float32 in the order of `classes`.
        """
        file = self.folder / "logits.npy"
        logits = np.load(file)
        if logits.ndim == 1:
            index = index.assign(logit=logits)
        else:
            predicted = np.array(list(classes), dtype=object)[logits.argmax(axis=1)]
            index = index.assign(logit=_not_good(logits, classes), predicted=predicted)
        self._open.clear()
        index.to_parquet(self.folder / "index.parquet", index=False)
        # every digit: ratios are the names of settings in other records, and cells are measured in parts of pixels
        write_json(self.folder / "settings.json", {**description, "classes": classes}, exact=True)
        (self.folder / PROGRESS).unlink(missing_ok=True)
        if logits.ndim == 1:
            file.unlink()  # last: until here a killed run finds everything it needs

    def _array(self, file: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
        if file not in self._open:
            if self.done:
                self._open[file] = np.lib.format.open_memmap(file, mode="r+")
            else:
                self._open[file] = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(self.tiles, *shape))
                with file.open("r+b") as whole:  # a full disk is an error here; in a mapped hole it would be a crash
                    os.posix_fallocate(whole.fileno(), 0, file.stat().st_size)
        return self._open[file]


def _not_good(logits: NDArray[np.float32], classes: Sequence[str]) -> NDArray[np.float32]:
    """Return log p(not good) - log p(good) under softmax."""
    if "good" not in classes:
        return np.full(len(logits), np.nan, np.float32)
    good = classes.index("good")
    return (np.logaddexp.reduce(np.delete(logits, good, axis=1), axis=1) - logits[:, good]).astype(np.float32)
