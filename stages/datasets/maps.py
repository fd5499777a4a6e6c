"""Heatmaps of one model on disk, as the explain stage leaves them: checked when opened, read in pieces."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.datasets.tiles import read_table
from stages.runtime.errors import InputError
from stages.runtime.records import read_json


@dataclass(frozen=True)
class Maps:
    """data/maps/<model>: N tiles (validation and test) under S settings."""

    file: Path
    values: NDArray[np.float16]  # (N, S, h, w), memory-mapped; higher is more relevant
    index: pd.DataFrame  # N rows: tile_id, split ("val" | "test"), label, logit
    family: str  # "cnn" | "vit"
    fusions: tuple[str, ...]  # S: "cam", or min | mean | max
    discards: tuple[float, ...]  # S: fraction of the smallest attentions set to 0; 0 for a CAM
    cell_px: int | None  # side of a map cell in pixels of the tile; None: the cells fill the tile exactly

    def read(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the (n, S, h, w) heatmaps of these rows.

        Raises:
            InputError: one of them holds NaN or infinity.
        """
        maps = self.values[rows].astype(np.float32)
        finite = np.isfinite(maps).all(axis=(1, 2, 3))
        if not finite.all():
            tile = self.index["tile_id"].iloc[rows[int(np.argmin(finite))]]
            raise InputError(
                f"{self.file}: the heatmap of tile {tile} is not finite; train and explain the model again"
            )
        return maps


def open_maps(folder: Path) -> Maps:
    """Open a folder of heatmaps.

    Raises:
        InputError: a file is missing or unreadable, or its counts do not fit the others'.
    """
    file, index_file, settings_file = folder / "maps.npy", folder / "index.parquet", folder / "settings.json"
    again = "run the explain stage again"
    index = read_table(index_file, "explain")
    try:
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{file}: missing; run the explain stage (`dvc repro`)") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: not readable ({' '.join(str(error).split())}); {again}") from None
    described = read_json(settings_file)
    try:
        family = str(described["family"])
        fusions = tuple(str(setting["fusion"]) for setting in described["settings"])
        discards = tuple(float(setting["discard"]) for setting in described["settings"])
        cell_px = int(described["cell_px"]) if "cell_px" in described else None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{settings_file}: not as explain writes it ({error!r}); {again}") from None
    lacking = {"tile_id", "split", "label", "logit"} - set(index.columns)
    if lacking:
        raise InputError(f"{index_file}: column {sorted(lacking)[0]} is missing; {again}")
    if values.ndim != 4 or not fusions or values.shape[1] != len(fusions):
        raise InputError(
            f"{file}: has shape {values.shape}, expected tiles x {len(fusions)} settings x height x width; {again}"
        )
    if len(values) != len(index):
        raise InputError(f"{file}: {len(values)} tiles, but {index_file.name} has {len(index)}; {again}")
    if index["tile_id"].duplicated().any():
        raise InputError(f"{index_file}: a tile is there twice; {again}")
    return Maps(file, values, index, family, fusions, discards, cell_px)
