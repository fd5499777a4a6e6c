"""Score one model: its classifier, and where its heatmaps point, under every setting and against every truth.

Reads data/maps/<model> and the tiles, never a model. Writes metrics/score/<model>.json, plots/settings/<model>.csv and
plots/gallery/<model>.png.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.datasets.maps import Maps, MethodMaps, open_maps
from stages.datasets.tiles import Tiles, open_tiles
from stages.figures.gallery import GalleryTile, choose_tiles, draw_gallery
from stages.metrics.choice import best_index, choose_discards
from stages.metrics.classification import classification_scores, probability_of
from stages.metrics.geometry import upsample
from stages.metrics.localisation import SCORES, TileMeasures, defined_mean, join_measures, measure_tiles
from stages.metrics.thesis import thesis_prediction
from stages.runtime.command import run_model_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Score
from stages.runtime.paths import maps_folder, metrics_file, plot_file, tiles_folder
from stages.runtime.progress import progress
from stages.runtime.records import DECIMALS, new_file, write_json

CHUNK_TILES = 64  # measured at a time: 13 MB for one setting at 224 px

SettingScores = list[dict[str, float]]  # one dictionary of SCORES per setting


@dataclass(frozen=True)
class Explained:
    """What explain left for N tiles, joined with their truth; always in the order of the tile index."""

    maps: Maps
    tiles: Tiles
    rows: NDArray[np.intp]  # (N,) row in the maps
    positions: NDArray[np.intp]  # (N,) position in the tile index
    probability: NDArray[np.float64]  # (N,) of a defect
    defective: NDArray[np.bool_]  # (N,)
    splits: dict[str, NDArray[np.bool_]]  # "val" and "test" -> (N,)


def score(params: Params, model: str) -> str:
    """Write the scores, the table of settings and the gallery of one model; return the line to print."""
    rule = params.score
    if rule.choose_by not in SCORES:
        raise InputError(f"params.yaml: score.choose_by is {rule.choose_by!r}; known: {', '.join(SCORES)}")
    explained = _read(params.dataset.name, model)
    maps, test = explained.maps.primary, explained.splits["test"]

    measures = _measure(explained, rule, model)
    scores = {
        kind: {split: measured.scores(rows) for split, rows in explained.splits.items()}
        for kind, measured in measures.items()
    }
    # the first truth decides: boxes where there are any, else the exact masks; by labels alone nothing can be chosen
    nothing = [dict.fromkeys(SCORES, math.nan)] * len(maps.fusions)
    validation = scores[explained.tiles.truths[0]]["val"] if scores else nothing
    chosen = choose_discards(maps.fusions, maps.discards, validation, rule.choose_by)
    best = list(chosen)[best_index([validation[setting] for setting in chosen.values()], rule.choose_by)]

    content: dict[str, Any] = {
        "classification": classification_scores(
            explained.probability[test], explained.defective[test], rule.probability_threshold
        )
    }
    for kind, measured in measures.items():
        area = defined_mean(measured.area[test & explained.defective & (measured.area > 0)])
        content[kind] = {
            fusion: {"discard": maps.discards[setting], "area": area, **scores[kind]["test"][setting]}
            for fusion, setting in chosen.items()
        }
    title = f"{model}, {best}" + (
        f", discard {maps.discards[chosen[best]]:g}" if explained.maps.family == "vit" else ""
    )
    draw_gallery(plot_file("gallery", model, ".png"), _gallery(explained, chosen[best], rule), title)
    _write_settings(plot_file("settings", model, ".csv"), maps, scores)
    write_json(metrics_file("score", model), {model: content})
    return _line(title, content, best)


def _read(dataset: str, model: str) -> Explained:
    maps, tiles = open_maps(maps_folder(model)), open_tiles(tiles_folder(dataset))
    positions = pd.Index(tiles.index["tile_id"]).get_indexer(pd.Index(maps.index["tile_id"]))
    if (positions < 0).any():
        lost = maps.index["tile_id"].iloc[int(np.argmin(positions))]
        raise InputError(f"{maps.folder}: tile {lost} is not in {tiles.folder}; run the explain stage again")
    rows = np.argsort(positions)  # whatever order explain wrote, the same scores and the same pictures
    index, positions = maps.index.iloc[rows], positions[rows]
    splits = {split: (index["split"] == split).to_numpy(bool) for split in ("val", "test")}
    if not splits["test"].any():
        raise InputError(f"{maps.folder}: there is no test tile; run the split, train and explain stages again")
    logit = index["logit"].to_numpy(np.float64)
    if not np.isfinite(logit).all():
        raise InputError(f"{maps.folder / 'index.parquet'}: a logit is not finite; train the model again")
    return Explained(maps, tiles, rows, positions, probability_of(logit), tiles.labels[positions], splits)


def _measure(explained: Explained, rule: Score, model: str) -> dict[str, TileMeasures]:
    chunks = []
    for start in progress(range(0, len(explained.rows), CHUNK_TILES), f"score {model}"):
        piece = slice(start, start + CHUNK_TILES)
        chunks.append(
            measure_tiles(
                explained.maps.primary.read(explained.rows[piece]),
                {kind: explained.tiles.truth(kind, explained.positions[piece]) for kind in explained.tiles.truths},
                explained.probability[piece],
                rule.intensity_threshold,
                rule.probability_threshold,
                explained.maps.primary.cell_px,
                explained.maps.primary.offset_px,
            )
        )
    # The pointing game is played on defective tiles: a good tile may hold the margin of a neighbour's box.
    return {kind: measured.only(explained.defective) for kind, measured in join_measures(chunks).items()}


def _gallery(explained: Explained, setting: int, rule: Score) -> list[GalleryTile]:
    test = np.flatnonzero(explained.splits["test"])
    probability, defective = explained.probability[test], explained.defective[test]
    shown = test[choose_tiles(probability, defective, rule.probability_threshold, rule.gallery_tiles)]
    positions, probability = explained.positions[shown], explained.probability[shown]
    images = explained.tiles.images(positions)
    heatmaps = upsample(
        explained.maps.primary.read(explained.rows[shown])[:, setting],
        explained.tiles.px,
        explained.maps.primary.cell_px,
        explained.maps.primary.offset_px,
    )
    predictions = thesis_prediction(heatmaps, probability, rule.intensity_threshold, rule.probability_threshold)
    truths = {kind: explained.tiles.truth(kind, positions) for kind in explained.tiles.truths}
    return [
        GalleryTile(
            image=images[place],
            truths={kind: truth[place] for kind, truth in truths.items()},
            heatmap=heatmaps[place],
            prediction=predictions[place],
            probability=float(probability[place]),
            defective=bool(explained.defective[shown[place]]),
            predicted_defective=bool(probability[place] > rule.probability_threshold),
        )
        for place in range(len(shown))
    ]


def _write_settings(path: Path, maps: MethodMaps, scores: Mapping[str, Mapping[str, SettingScores]]) -> None:
    """Write the long table of every setting's scores; an undefined score is an empty field."""
    with new_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("truth", "split", "fusion", "discard", "metric", "value"))
        for truth, splits in scores.items():
            for split, settings in splits.items():
                for fusion, discard, values in zip(maps.fusions, maps.discards, settings, strict=True):
                    for metric in SCORES:
                        value = values[metric]
                        text = "" if math.isnan(value) else round(value, DECIMALS)
                        writer.writerow((truth, split, fusion, discard, metric, text))


def _line(title: str, content: Mapping[str, Any], fusion: str) -> str:
    classification = content["classification"]
    parts = [f"average precision {classification['average_precision']:.3f} on {classification['tiles']} test tiles"]
    for kind in content:
        if kind != "classification":
            values = content[kind][fusion]
            parts.append(f"against {kind} f1 {values['f1']:.3f}, pointing game {values['pointing_game']:.3f}")
    return f"score {title}: " + "; ".join(parts)


if __name__ == "__main__":
    run_model_stage(score, "Score one model's classifier and heatmaps on validation and test tiles.")
