"""Test tiles with the heatmaps that a printed figure compares: which tiles, which columns, and the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from stages.figures.methods import MethodHeatmaps, methods_sheet
from stages.figures.report.elements import jpeg_figure
from stages.figures.tile_pictures import read_pictures
from stages.figures.which_tiles import choose_methods_tiles
from stages.heatmaps.maps import Maps, MethodMaps
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError

Setting = tuple[MethodMaps, int]  # heatmaps of a method, and a place on their second axis


@dataclass(frozen=True)
class SeenTiles:
    """The tiles of a data set, and what each model said of those that it was explained for."""

    tiles: Tiles
    maps_of: Mapping[str, Maps]
    probability_threshold: float  # a tile is called defective above it
    chosen: Mapping[str, float] = field(default_factory=dict)  # "<model> <row>" -> discard ratio that validation chose


@dataclass(frozen=True)
class Column:
    """A column of heatmaps. Without a discard ratio it is the one that validation chose."""

    model: str
    method: str
    fusion: str = ""  # min | mean | max; "" for a method's only or first one
    discard: float | None = None
    said: str = ""  # the column's heading below the model's name

    @property
    def row(self) -> str:
        """Its name in metrics/score."""
        return f"{self.method}_{self.fusion}" if self.fusion else self.method

    @property
    def title(self) -> str:
        """Two lines: model, and what tells the column from others of it."""
        return f"{self.model}\n{self.said or self.row.replace('_', ' ')}"


def found_figure(caption: str, columns: Sequence[Column], seen: SeenTiles, count: int) -> str:
    """Return a figure of defective test tiles that every model in it calls rightly.

    Args:
        caption: what the printed figure compares.
        columns: of the printed figure; those that this run has not are named in the caption.
        seen: tiles and heatmaps.
        count: of tiles, at most.

    Raises:
        InputError: none of the columns is there, or no tile.
    """
    there, absent = _there(columns, seen)
    models = list(dict.fromkeys(column.model for column in there))
    index = _test_index(seen, models[0])
    right = np.logical_and.reduce([_right(seen, model, index) for model in models])
    defective = (index["label"] == "defective").to_numpy(bool)
    rows, words = defective & right, "on defective test tiles that all of these models call rightly"
    if not rows.any():
        rows, words = defective, "on defective test tiles, none of which all of these models call rightly"
    if not rows.any():
        raise InputError("no test tile is defective; see `split` in params.yaml")
    return _figure(f"{caption}, {words}", there, absent, seen, index.iloc[choose_methods_tiles(rows, count)[0]])


def wrong_figure(caption: str, columns: Sequence[Column], seen: SeenTiles, count: int) -> str:
    """Return a figure of test tiles that the columns' model calls wrongly, false alarms first; arguments as above.

    Raises:
        InputError: none of the columns is there, or no tile is called wrongly.
    """
    there, absent = _there(columns, seen)
    model = next(iter(there)).model
    index = _test_index(seen, model)
    wrong = ~_right(seen, model, index)
    if not wrong.any():
        raise InputError(f"{model} calls no test tile wrongly, so there is nothing to show")
    good = (index["label"] == "good").to_numpy(bool)
    order = np.concatenate((np.flatnonzero(wrong & good), np.flatnonzero(wrong & ~good)))[:count]
    called, true = _called(seen, model, index), _true(seen, model, index)
    said = "; ".join(f"{true[place]} called {called[place]}" for place in order)
    return _figure(f"{caption}. From above: {said}", there, absent, seen, index.iloc[order])


def _there(columns: Sequence[Column], seen: SeenTiles) -> tuple[dict[Column, Setting], list[str]]:
    """Return the columns that this run has, with their heatmaps, and the names of the others."""
    settings = {column: _setting(column, seen) for column in columns}
    there = {column: setting for column, setting in settings.items() if setting is not None}
    absent = [column.title.replace("\n", " ") for column in columns if column not in there]
    if not there:
        raise InputError(f"this run has none of {', '.join(absent)}")
    return there, absent


def _setting(column: Column, seen: SeenTiles) -> Setting | None:
    """Return the heatmaps of a column and their place on the second axis; None where this run has none."""
    if column.model not in seen.maps_of or column.method not in seen.maps_of[column.model].methods:
        return None
    method = seen.maps_of[column.model].methods[column.method]
    fusion = column.fusion or method.fusions[0]
    discard = seen.chosen.get(f"{column.model} {column.row}") if column.discard is None else column.discard
    for place, setting in enumerate(zip(method.fusions, method.discards, strict=True)):
        if setting[0] == fusion and (discard is None or np.isclose(setting[1], discard)):
            return method, place
    return None


def _figure(
    caption: str, there: Mapping[Column, Setting], absent: Sequence[str], seen: SeenTiles, index: pd.DataFrame
) -> str:
    """Return the picture of these tiles, lines of the tiles' index."""
    heatmaps = {}
    for column, (method, place) in there.items():
        values = method.read(seen.maps_of[column.model].rows_of(index["tile_id"]))[:, place]
        heatmaps[column.title] = MethodHeatmaps(values, method.cell_px, method.offset_px)
    pictures = read_pictures(seen.tiles, index.index.to_numpy(np.intp))
    words = f"{caption}. Not in this run: {', '.join(absent)}" if absent else caption
    return jpeg_figure(f"{words}.", methods_sheet(pictures, heatmaps, "").jpeg())


def _test_index(seen: SeenTiles, model: str) -> pd.DataFrame:
    """Return the lines of the tiles' index of every test tile, labelled by their position in it."""
    maps = seen.maps_of[model]
    positions = maps.positions_in(seen.tiles)[(maps.index["split"] == "test").to_numpy(bool)]
    return seen.tiles.index.reset_index(drop=True).iloc[np.sort(positions)]


def _called(seen: SeenTiles, model: str, index: pd.DataFrame) -> NDArray[np.object_]:
    """Return what a model calls each tile: its class, or good and defective."""
    maps = seen.maps_of[model]
    own = maps.index.iloc[maps.rows_of(index["tile_id"])]
    if maps.classes:
        return own["predicted"].to_numpy(object)
    above = expit(own["logit"].to_numpy(np.float64)) > seen.probability_threshold
    return np.where(above, "defective", "good").astype(object)


def _true(seen: SeenTiles, model: str, index: pd.DataFrame) -> NDArray[np.object_]:
    """Return what each tile is, in the words of `_called`."""
    return index["defect_class" if seen.maps_of[model].classes else "label"].to_numpy(object)


def _right(seen: SeenTiles, model: str, index: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(_called(seen, model, index) == _true(seen, model, index), dtype=bool)
