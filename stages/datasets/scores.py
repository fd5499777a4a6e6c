"""Scores of one model tile by tile on disk, as the score stage leaves them: what intervals and rankings are made of.

data/scores/<model>/tiles.parquet   one line per truth, explanation and test tile: what the tile adds to each score
data/scores/<model>/index.parquet   the test tiles: tile_id, source, group, defective
data/scores/<model>/rows.json       what the explanations are: method, fusion, the setting chosen, control or not
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.datasets.shards import TRUTHS
from stages.datasets.tiles import read_table
from stages.runtime.errors import InputError
from stages.runtime.records import new_folder, read_json, write_json

AGAIN = "run the score stage again"
COUNTS = ("tp", "fp", "fn", "tn")  # in pixels, by the thesis' rule
VALIDATION_COUNTS = tuple(f"validation_{name}" for name in COUNTS)  # at the threshold that validation tiles chose
KEYS = ("truth", "row", "tile_id")


@dataclass(frozen=True)
class Row:
    """One explanation that is scored: a method under the setting that validation chose, or a control."""

    method: str  # cam, rollout, gradcam, ...; of a control its name
    fusion: str  # min | mean | max, or the method's name where it fuses nothing
    discard: float
    setting: int  # place on the second axis of the method's maps
    control: bool
    own: bool  # of the family's own method: cam of a CNN, rollout of a ViT
    beats_controls: dict[str, bool | None]  # by truth; None: nothing to compare with, or a control itself


@dataclass(frozen=True)
class Scores:
    """What the score stage left of one model."""

    folder: Path
    rows: dict[str, Row]
    best: str  # the row that validation prefers
    tiles: pd.DataFrame  # n test tiles, sorted by tile_id: tile_id, source, group, defective
    truths: tuple[str, ...]
    _table: pd.DataFrame  # indexed by truth and row, then sorted by tile_id

    @property
    def means(self) -> tuple[str, ...]:
        """Return the names of the scores of single tiles, which are averaged."""
        return tuple(name for name in self._table.columns if name not in ("tile_id", *COUNTS, *VALIDATION_COUNTS))

    def columns(self, truth: str, row: str) -> dict[str, NDArray]:
        """Return what each of the n tiles adds: tp, fp, fn, tn (pixels) and the scores of single tiles, each (n,)."""
        part = self._table.loc[[(truth, row)]]
        return {name: part[name].to_numpy() for name in part.columns if name != "tile_id"}


def write_scores(
    folder: Path, table: pd.DataFrame | None, tiles: pd.DataFrame, rows: dict[str, Row], best: str
) -> None:
    """Write a model's scores.

    Args:
        table: columns truth, row, tile_id, then what each tile adds to the scores; None where there is no truth.
        tiles: columns tile_id, source, group, defective.
    """
    with new_folder(folder) as temporary:
        if table is None:
            table = pd.DataFrame({key: pd.Series(dtype=str) for key in KEYS})
        table.sort_values(list(KEYS), kind="stable").to_parquet(temporary / "tiles.parquet", index=False)
        tiles.sort_values("tile_id").to_parquet(temporary / "index.parquet", index=False)
        described = {name: asdict(row) for name, row in rows.items()}
        write_json(temporary / "rows.json", {"best": best, "order": list(rows), "rows": described})


def open_scores(folder: Path) -> Scores:
    """Open a model's scores.

    Raises:
        InputError: a file is missing or unreadable, or an explanation has not every tile.
    """
    rows, best = open_rows(folder)
    tiles, table = (read_table(folder / name, "score") for name in ("index.parquet", "tiles.parquet"))
    try:
        expected = tiles["tile_id"].to_numpy(dtype=object)
        for (truth, row), part in table.groupby(["truth", "row"], observed=True):
            if not np.array_equal(part["tile_id"].to_numpy(dtype=object), expected):
                raise InputError(f"{folder}: {row} against {truth} has other tiles than index.parquet; {AGAIN}")
        truths = tuple(kind for kind in TRUTHS if (table["truth"] == kind).any())
        return Scores(folder, rows, best, tiles, truths, table.set_index(["truth", "row"]).sort_index(kind="stable"))
    except KeyError as error:
        raise InputError(f"{folder}: column {error} is missing; {AGAIN}") from None


def open_rows(folder: Path) -> tuple[dict[str, Row], str]:
    """Return the explanations of a model and the name of the one that validation prefers."""
    path = folder / "rows.json"
    described = read_json(path)
    try:
        return {str(name): Row(**described["rows"][name]) for name in described["order"]}, str(described["best"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not as score writes it ({error!r}); {AGAIN}") from None
