"""Scores of one model tile by tile on disk, as the score stage leaves them: what intervals and rankings are made of.

data/scores/<model>/tiles.parquet       one line per truth, explanation and test tile: what it adds to counts and means
data/scores/<model>/histograms.parquet  one line per truth, explanation, scale and source image: how its pixels' values
                                        are distributed, in coarse bins that all images of one explanation share
data/scores/<model>/index.parquet       the test tiles: tile_id, source, group, defective
data/scores/<model>/rows.json           what the explanations are: method, fusion, the setting chosen, control or not;
                                        and the exact scores of the histograms of all tiles
and of whole photographs what `stages.scores.photographs` describes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.records.files import read_json, write_json
from stages.records.folders import new_folder
from stages.records.shards import TRUTHS
from stages.records.tables import read_table
from stages.runtime.errors import InputError
from stages.scores.photographs import PhotographScores, open_photograph_scores, write_photographs

AGAIN = "run the score stage again"
CLUSTERS = {"group": "group", "image": "source"}  # rank.cluster -> column that names the cluster of a tile
HISTOGRAMS, ROWS = "histograms.parquet", "rows.json"
KEYS = ("truth", "row", "tile_id")
HISTOGRAM_KEYS = ("truth", "row", "scale", "source")
PARTS = {"inside": np.uint32, "outside": np.uint32, "regions": np.float32}  # of a histogram, as they lie on disk
HISTOGRAM_SCHEMA = pa.schema(
    [(key, pa.string()) for key in HISTOGRAM_KEYS]
    + [(name, pa.list_(pa.from_numpy_dtype(kind))) for name, kind in PARTS.items()]
)


@dataclass(frozen=True)
class Explanation:
    """One explanation that is scored: a method under the setting that validation chose, or a control."""

    method: str  # cam, rollout, gradcam, ...; of a control its name
    fusion: str  # min | mean | max, or the method's name where it fuses nothing
    discard: float
    setting: int  # place on the second axis of the method's maps
    control: bool
    own: bool  # of the model's own method: the first of `explain.methods` of its family that fits it
    beats_controls: dict[str, bool | None]  # by truth; None: nothing to compare with, or a control itself
    reference: bool = False  # of another detector, between whose kinds the model's own stand

    @property
    def beside(self) -> bool:
        """Whether it stands beside what is ranked: a control or a reference."""
        return self.control or self.reference


@dataclass(frozen=True)
class ImageHistograms:
    """How the values of one explanation are distributed in each of I source images: coarse bins, the same for all."""

    truth: str
    row: str
    scale: str  # which values are pooled: raw | gated
    sources: NDArray[np.object_]  # (I,)
    inside: NDArray[np.floating]  # (I, bins) pixels of the truth, ascending values
    outside: NDArray[np.floating]  # (I, bins) all others
    regions: NDArray[np.floating]  # (I, bins) pixels of the truth, each weighing 1 / area of its region


@dataclass(frozen=True)
class Scores:
    """What the score stage left of one model."""

    folder: Path
    rows: dict[str, Explanation]
    best: str  # the row that validation prefers
    tiles: pd.DataFrame  # n test tiles, sorted by tile_id: tile_id, source, group, defective
    truths: tuple[str, ...]
    _table: pd.DataFrame  # indexed by truth and row, then sorted by tile_id
    _pooled: dict[str, dict[str, dict[str, float | None]]]
    perfect: dict[str, dict[str, float | None]] = field(default_factory=dict)  # truth -> metric -> score of the truth
    # itself on the grid of the model's maps; empty where no reference was asked for
    left_out: dict[str, str] = field(default_factory=dict)  # reference that was asked for -> why it is not there
    photographs: PhotographScores | None = None  # of test images as a whole; None where none counts as one

    def columns(self, truth: str, row: str) -> dict[str, NDArray]:
        """Return what each of the n tiles adds: tp, fp, fn, tn (pixels) and the scores of single tiles, each (n,)."""
        part = self._table.loc[[(truth, row)]]
        return {name: part[name].to_numpy() for name in part.columns if name != "tile_id"}

    def histograms(self, truth: str, row: str, scale: str) -> tuple[NDArray[np.object_], dict[str, NDArray]]:
        """Return the names of I source images (sorted), and their `inside`, `outside` and `regions`, (I, bins) each.

        See `ImageHistograms`; float64. The sum of some images' histograms is that of their pixels together.

        Raises:
            InputError: the file is missing or unreadable, or holds other images than index.parquet.
        """
        file = self.folder / HISTOGRAMS
        wanted = [(key, "==", value) for key, value in zip(HISTOGRAM_KEYS[:3], (truth, row, scale), strict=True)]
        part = read_table(file, "score", wanted)
        sources = part["source"].to_numpy(dtype=object)
        if not np.array_equal(sources, np.unique(self.tiles["source"].to_numpy(dtype=object))):
            raise InputError(f"{file}: {row} against {truth} has other images than index.parquet; {AGAIN}")
        return sources, {name: np.stack(part[name].to_list()).astype(np.float64) for name in PARTS}

    def pooled(self, truth: str, row: str) -> dict[str, float]:
        """Return metric -> the exact score of the histograms of all test tiles, NaN where it is undefined."""
        try:
            own = self._pooled[truth][row]
            return {name: math.nan if value is None else float(value) for name, value in own.items()}
        except (KeyError, TypeError, AttributeError):
            raise InputError(f"{self.folder / ROWS}: no pooled scores of {row} against {truth}; {AGAIN}") from None


def write_scores(
    folder: Path,
    table: pd.DataFrame | None,
    tiles: pd.DataFrame,
    rows: dict[str, Explanation],
    best: str,
    histograms: Iterable[ImageHistograms] = (),
    pooled: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    references: Mapping[str, Any] | None = None,
    photographs: tuple[pd.DataFrame, Iterable[Mapping[str, object]]] | None = None,
) -> None:
    """Write a model's scores.

    Args:
        table: columns truth, row, tile_id, then what each tile adds to the scores; None where there is no truth.
        tiles: columns tile_id, source, group, defective.
        histograms: one for each truth, explanation and scale, with sources sorted; taken one at a time.
        pooled: truth -> row -> metric -> exact score of the histograms of all tiles.
        references: where some were asked for, `perfect` and `left_out` as `Scores` has them.
        photographs: what `stages.scores.photographs.write_photographs` takes; None where there are none.
    """
    with new_folder(folder) as temporary:
        if table is None:
            table = pd.DataFrame({key: pd.Series(dtype=str) for key in KEYS})
        table.sort_values(list(KEYS), kind="stable").to_parquet(temporary / "tiles.parquet", index=False)
        tiles.sort_values("tile_id").to_parquet(temporary / "index.parquet", index=False)
        _write_histograms(temporary / HISTOGRAMS, histograms)
        described = {name: _described(row) for name, row in rows.items()}
        content = {"best": best, "order": list(rows), "rows": described, "pooled": pooled or {}, **(references or {})}
        if photographs is not None:
            write_photographs(temporary, *photographs)
        write_json(temporary / ROWS, content, exact=True)  # rows that differ in the sixth decimal must not tie


def open_scores(folder: Path) -> Scores:
    """Open a model's scores.

    Raises:
        InputError: a file is missing or unreadable, or an explanation has not every tile.
    """
    rows, best = open_explanations(folder)
    content = read_json(folder / ROWS)
    pooled, kept = content.get("pooled", {}), (content.get("perfect", {}), content.get("left_out", {}))
    tiles, table = (read_table(folder / name, "score") for name in ("index.parquet", "tiles.parquet"))
    try:
        expected = tiles["tile_id"].to_numpy(dtype=object)
        for (truth, row), part in table.groupby(["truth", "row"], observed=True):
            if not np.array_equal(part["tile_id"].to_numpy(dtype=object), expected):
                raise InputError(f"{folder}: {row} against {truth} has other tiles than index.parquet; {AGAIN}")
        truths = tuple(kind for kind in TRUTHS if (table["truth"] == kind).any())
        table = table.set_index(["truth", "row"]).sort_index(kind="stable")
        return Scores(folder, rows, best, tiles, truths, table, pooled, *kept, open_photograph_scores(folder))
    except KeyError as error:
        raise InputError(f"{folder}: column {error} is missing; {AGAIN}") from None


def open_explanations(folder: Path) -> tuple[dict[str, Explanation], str]:
    """Return the explanations of a model and the name of the one that validation prefers."""
    path = folder / ROWS
    described = read_json(path)
    try:
        return {str(name): Explanation(**described["rows"][name]) for name in described["order"]}, str(
            described["best"]
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not as score writes it ({error!r}); {AGAIN}") from None


def _described(row: Explanation) -> dict[str, Any]:
    """Return the fields of a row; that it is no reference goes without saying."""
    return {key: value for key, value in asdict(row).items() if key != "reference" or value}


def _write_histograms(path: Path, histograms: Iterable[ImageHistograms]) -> None:
    """Write a group of lines for each truth, explanation and scale as it comes; one can be read without the others."""
    with pq.ParquetWriter(path, HISTOGRAM_SCHEMA, compression="zstd") as writer:
        for own in histograms:
            keys = [pa.array([value] * len(own.sources), pa.string()) for value in (own.truth, own.row, own.scale)]
            sources = pa.array(own.sources.tolist(), pa.string())
            parts = [
                pa.array(list(getattr(own, name).astype(kind)), HISTOGRAM_SCHEMA.field(name).type)
                for name, kind in PARTS.items()
            ]
            writer.write_table(pa.Table.from_arrays([*keys, sources, *parts], schema=HISTOGRAM_SCHEMA))
