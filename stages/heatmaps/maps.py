"""Heatmaps of one model on disk, as the explain stage leaves them: checked when opened, read in pieces.

data/maps/<model>/<method>.npy     (N, S, h, w) float16, one file per explanation method: places 0..1 in the map's range
data/maps/<model>/<method>_range.npy  (N, S, 2) float32, that range: the map's lowest and highest value
data/maps/<model>/<method>_score.npy  (N,) float32, of references: how defective each tile is, on a scale of their own
data/maps/<model>/index.parquet    N rows: tile_id, split, label, logit; multiclass: predicted
data/maps/<model>/logits.npy       multiclass: (N, K) float32
data/maps/<model>/settings.json    what the second axis of each file means, and where its cells lie in the tile
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.records.arrays import RowFile
from stages.records.files import read_json
from stages.records.tables import read_table
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError

AGAIN = "run the explain stage again"


@dataclass(frozen=True)
class MethodMaps:
    """The heatmaps of one method: N tiles under S settings.

    Cell (i, j) has its centre at x = (j + 0.5) cell_px + offset_px, y = (i + 0.5) cell_px + offset_px in the tile.
    """

    file: Path
    values: RowFile  # (N, S, h, w) float16; higher is more relevant
    tile_ids: NDArray[np.object_]  # (N,)
    names: tuple[str, ...]  # S
    fusions: tuple[str, ...]  # S: min | mean | max, or the name of a method that fuses nothing
    discards: tuple[float, ...]  # S: fraction of the smallest attentions set to 0, or what `varies` names; else 0
    cell_px: float  # side of a map cell in pixels of the tile
    offset_px: float  # where padding moves the cells: to the right and down where positive
    ranges: RowFile | None = None  # (N, S, 2) float32 what 0 and 1 of `values` mean; None: values are the map
    control: bool = False  # knows no defect: made to be beaten
    varies: str = "discard"  # what `discards` are, in one word; of novelty the weight
    tile_scores: RowFile | None = None  # (N,) float32 of a reference, which stands beside the model's own methods

    def read(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the (n, S, h, w) heatmaps of these rows.

        Raises:
            InputError: one of them holds NaN or infinity.
        """
        maps = self.values.read(rows).astype(np.float32)
        if self.ranges is not None:
            low, high = np.moveaxis(self.ranges.read(rows)[..., None, None], 2, 0)
            maps = low + maps * (high - low)
        finite = np.isfinite(maps).all(axis=(1, 2, 3))
        if not finite.all():
            tile = self.tile_ids[rows[int(np.argmin(finite))]]
            raise InputError(
                f"{self.file}: the heatmap of tile {tile} is not finite; train and explain the model again"
            )
        return maps


@dataclass(frozen=True)
class Maps:
    """data/maps/<model>: N tiles (validation and test) explained by one or more methods."""

    folder: Path
    index: pd.DataFrame  # N rows: tile_id, split ("val" | "test"), label, logit
    family: str  # "cnn" | "vit"
    methods: dict[str, MethodMaps]  # the model's own method first, as `explain.methods` names them
    classes: tuple[str, ...] = ()  # K, in the order of the logits; empty for a binary classifier
    class_logits: NDArray[np.float32] | None = None  # (N, K), None for a binary classifier
    left_out: Mapping[str, str] = field(default_factory=dict)  # reference that was asked for -> why it is not there

    def positions_in(self, tiles: Tiles) -> NDArray[np.intp]:
        """Return (N,) the position of each tile in the index of `tiles`.

        Raises:
            InputError: a tile is not there; the maps are of other tiles.
        """
        positions = pd.Index(tiles.index["tile_id"]).get_indexer(pd.Index(self.index["tile_id"]))
        if (positions < 0).any():
            lost = self.index["tile_id"].iloc[int(np.argmin(positions))]
            raise InputError(f"{self.folder}: tile {lost} is not in {tiles.folder}; {AGAIN}")
        return positions

    def rows_of(self, tile_ids: pd.Series) -> NDArray[np.intp]:
        """Return (n,) the row of each of n tiles in the index of the maps.

        Raises:
            InputError: there is no heatmap of a tile.
        """
        rows = pd.Index(self.index["tile_id"]).get_indexer(pd.Index(tile_ids))
        if (rows < 0).any():
            lost = tile_ids.iloc[int(np.argmin(rows))]
            raise InputError(f"{self.folder}: has no heatmap of tile {lost}, which other models have; {AGAIN}")
        return rows

    def words_for(self, method: str, fusion: str, value: float) -> str:
        """Return what is said of the setting of a method behind its name, e.g. `, discard 0.9`; "" if it has only one.

        Args:
            method: its name.
            fusion: which of its `fusions`; its own name where nothing is fused.
            value: which of its `discards`.
        """
        varies = self.methods[method].varies
        return "" if fusion == method and varies == "discard" else f", {varies} {value:g}"

    @property
    def primary(self) -> MethodMaps:
        """The maps of the first method, which is ranked as the model's own."""
        return next(iter(self.methods.values()))


def maps_file(folder: Path, method: str) -> Path:
    """Return where the maps of one method lie."""
    return folder / f"{method}.npy"


def ranges_file(folder: Path, method: str) -> Path:
    """Return where the lowest and highest value of each map of one method lie."""
    return folder / f"{method}_range.npy"


def tile_scores_file(folder: Path, method: str) -> Path:
    """Return where the tile scores of a reference lie."""
    return folder / f"{method}_score.npy"


def open_maps(folder: Path) -> Maps:
    """Open a folder of heatmaps.

    Raises:
        InputError: a file is missing or unreadable, or its counts do not fit the others'.
    """
    index_file, settings_file = folder / "index.parquet", folder / "settings.json"
    index = read_table(index_file, "explain")
    lacking = {"tile_id", "split", "label", "logit"} - set(index.columns)
    if lacking:
        raise InputError(f"{index_file}: column {sorted(lacking)[0]} is missing; {AGAIN}")
    if index["tile_id"].duplicated().any():
        raise InputError(f"{index_file}: a tile is there twice; {AGAIN}")
    described = read_json(settings_file)
    try:
        family = str(described["family"])
        # JSON written by write_json has sorted keys, so the order of methods is kept in a list beside them
        order = [str(method) for method in described["order"]]
        methods = {method: _method(folder, method, described["methods"][method], index) for method in order}
        if not methods:
            raise ValueError("no methods")
        left_out = {str(name): str(reason) for name, reason in described.get("left_out", {}).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{settings_file}: not as explain writes it ({error!r}); {AGAIN}") from None
    if "predicted" not in index:
        return Maps(folder, index, family, methods, left_out=left_out)
    classes, logits = tuple(described.get("classes", ())), RowFile(folder / "logits.npy", "explain")
    if logits.shape != (len(index), len(classes)):
        expected = f"expected {len(index)} tiles x {len(classes)} classes"
        raise InputError(f"{folder / 'logits.npy'}: has shape {logits.shape}, {expected}; {AGAIN}")
    return Maps(folder, index, family, methods, classes, logits.read(np.arange(len(index))), left_out)


def _method(folder: Path, method: str, described: dict[str, Any], index: pd.DataFrame) -> MethodMaps:
    settings = described["settings"]
    names = tuple(str(setting["name"]) for setting in settings)
    fusions = tuple(str(setting["fusion"]) for setting in settings)
    discards = tuple(float(setting["discard"]) for setting in settings)
    cell_px, offset_px = float(described["cell_px"]), float(described["offset_px"])
    file = maps_file(folder, method)
    values = RowFile(file, "explain")
    if values.ndim != 4 or not settings or values.shape[1] != len(settings):
        raise InputError(
            f"{file}: has shape {values.shape}, expected tiles x {len(settings)} settings x height x width; {AGAIN}"
        )
    if len(values) != len(index):
        raise InputError(f"{file}: {len(values)} tiles, but index.parquet has {len(index)}; {AGAIN}")
    ranges = RowFile(ranges_file(folder, method), "explain") if described.get("ranges", False) else None
    if ranges is not None and ranges.shape != (*values.shape[:2], 2):
        raise InputError(f"{ranges_file(folder, method)}: has shape {ranges.shape}; {AGAIN}")
    scores = RowFile(tile_scores_file(folder, method), "explain") if described.get("reference", False) else None
    if scores is not None and scores.shape != (len(index),):
        raise InputError(f"{tile_scores_file(folder, method)}: has shape {scores.shape}; {AGAIN}")
    tile_ids = index["tile_id"].to_numpy(dtype=object)
    control, varies = bool(described.get("control", False)), str(described.get("varies", "discard"))
    cells = cell_px, offset_px, ranges
    return MethodMaps(file, values, tile_ids, names, fusions, discards, *cells, control, varies, scores)
