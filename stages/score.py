"""Score one model: its classifier, and where its heatmaps point, by every method, setting and truth.

Reads data/maps/<model> and the tiles, never a model. Writes metrics/score/<model>.json (what people compare),
data/scores/<model> (tile by tile: what rank makes intervals of), plots/settings/<model>.csv (every setting),
plots/strata/<model>.csv (by kind and area of the defect) and plots/thresholds/<model>.csv (by threshold).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from stages.classification.image_scores import binary_scores, confusion_matrix, multiclass_scores, probability_of
from stages.heatmaps.maps import Maps, MethodMaps, open_maps
from stages.metrics.controls import CONTROLS, centre_prior, edge_map, random_map
from stages.records.files import write_csv, write_json
from stages.records.paths import maps_folder, metrics_file, plot_file, scores_folder, tiles_folder
from stages.records.shards import TRUTHS
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.runtime.progress import progress
from stages.scores.scores import ImageHistograms, Row, write_scores
from stages.scoring.explanations import RANDOMISED, Source, area_terciles, row_name
from stages.scoring.localisation import SCORES
from stages.scoring.measuring import SPLITS, Ground, Measured, image_histograms, measure_sources
from stages.scoring.rows import AllScores, Chosen, Curves, all_scores, choose_rows, pooled_scores, score_tables
from stages.scoring.settings import Score

SETTINGS_COLUMNS = ("truth", "split", "fusion", "discard", "metric", "value")
STRATA_COLUMNS = ("truth", "by", "stratum", "tiles", "row", "metric", "value")
THRESHOLD_SCORES = ("f1", "precision", "recall")
THRESHOLDS_COLUMNS = ("truth", "row", "threshold", "rule", *THRESHOLD_SCORES)
THRESHOLD_STEP = 5  # levels between two points of a curve, of 255


@dataclass(frozen=True)
class Explained:
    """What explain left for N tiles, joined with their truth; always in the order of the tile index."""

    maps: Maps
    tiles: Tiles
    rows: NDArray[np.intp]  # (N,) row in the maps
    index: pd.DataFrame  # N rows of the tile index
    positions: NDArray[np.intp]  # (N,) position in the tile index
    ground: Ground


def score(params: Params, model: str) -> str:
    """Write the scores and tables of one model; return the line to print."""
    rule = params.read(Score)
    if rule.choose_by not in SCORES:
        raise InputError(f"params.yaml: score.choose_by is {rule.choose_by!r}; known: {', '.join(SCORES)}")
    explained = _read(params.dataset_name, model)
    ground = explained.ground
    sources = _sources(explained, rule.seed)
    measured = measure_sources(sources, ground, rule, lambda work: progress(work, f"score {model}"))
    scores = all_scores(measured, ground)
    rows, best = choose_rows(sources, scores, ground, rule.choose_by)
    content = _classification(explained, rule)
    tables, columns, curves = score_tables(rows, scores, measured, ground, rule)
    content |= tables

    best_row = rows[best]
    title = f"{model}, {best}" + (
        f", discard {best_row.source.discards[best_row.setting]:g}" if explained.maps.family == "vit" else ""
    )
    write_csv(plot_file("settings", model, ".csv"), SETTINGS_COLUMNS, _setting_lines(sources, scores))
    write_csv(plot_file("strata", model, ".csv"), STRATA_COLUMNS, _stratum_lines(rows, measured, explained))
    write_csv(plot_file("thresholds", model, ".csv"), THRESHOLDS_COLUMNS, _threshold_lines(curves, content, rule))
    _write_scores(scores_folder(model), rows, best, content, columns, explained, measured)
    write_json(metrics_file("score", model), {model: content})
    return _line(title, content, best)


def _read(dataset: str, model: str) -> Explained:
    maps, tiles = open_maps(maps_folder(model)), open_tiles(tiles_folder(dataset))
    positions = maps.positions_in(tiles)
    rows = np.argsort(positions)  # whatever order explain wrote, the same scores
    said, positions = maps.index.iloc[rows], positions[rows]
    splits = {split: (said["split"] == split).to_numpy(bool) for split in SPLITS}
    for split in SPLITS:
        if not splits[split].any():
            raise InputError(f"{maps.folder}: there is no {split} tile; run the split, train and explain stages again")
    ground = Ground(
        tiles.px,
        tiles.truths,
        lambda kind, own: tiles.truth(kind, positions[own]),
        _probability(said, maps.folder),
        tiles.labels[positions],
        splits,
        tiles.index["source"].to_numpy(dtype=object)[positions],
    )
    return Explained(maps, tiles, rows, tiles.index.iloc[positions].reset_index(drop=True), positions, ground)


def _probability(said: pd.DataFrame, folder: Path) -> NDArray[np.float64]:
    """Return the probability of a defect, whichever kind; 1 for a classifier of kinds that knows no good tile."""
    logit = said["logit"].to_numpy(np.float64)
    if "predicted" in said and np.isnan(logit).all():
        return np.ones(len(said))
    if not np.isfinite(logit).all():
        raise InputError(f"{folder / 'index.parquet'}: a logit is not finite; train the model again")
    return probability_of(logit)


def _sources(explained: Explained, seed: int) -> list[Source]:
    """Return the methods that explain wrote, the family's own first, and the controls on that one's grid."""
    maps, ground = explained.maps, explained.ground
    primary = maps.primary
    grid = primary.values.shape[2], primary.values.shape[3]
    place = primary.cell_px, primary.offset_px
    ids = explained.index["tile_id"].to_numpy(dtype=object)

    def of_method(method: str, own: MethodMaps) -> Source:
        return Source(
            method,
            own.fusions,
            own.discards,
            (own.values.shape[2], own.values.shape[3]),
            own.cell_px,
            own.offset_px,
            own is primary,
            method.endswith(RANDOMISED),
            lambda rows: own.read(explained.rows[rows]),
        )

    def images(rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        return explained.tiles.images(explained.positions[rows])

    makers: dict[str, Callable[[NDArray[np.intp]], NDArray]] = {
        "centre_prior": lambda rows: centre_prior(len(rows), *grid, ground.px, *place),
        "random_map": lambda rows: random_map(list(ids[rows]), *grid, seed),
        "edge_map": lambda rows: edge_map(images(rows), *grid, *place),
    }

    def of_control(name: str) -> Source:
        make = makers[name]
        return Source(name, (name,), (0.0,), grid, *place, False, True, lambda rows: make(rows)[:, None])

    return [of_method(method, own) for method, own in maps.methods.items()] + [of_control(name) for name in CONTROLS]


def _classification(explained: Explained, rule: Score) -> dict[str, Any]:
    """Score the classifier on test tiles: good against defective, and one of several classes by class, too."""
    maps, ground, test = explained.maps, explained.ground, explained.ground.splits["test"]
    scores = binary_scores(ground.probability[test], ground.defective[test], rule.probability_threshold)
    if maps.class_logits is None:
        return {"classification": scores}
    logits = maps.class_logits[explained.rows][test].astype(np.float64)
    if not np.isfinite(logits).all():
        raise InputError(f"{maps.folder / 'logits.npy'}: a logit is not finite; train the model again")
    classes, probability = maps.classes, softmax(logits, axis=1)
    codes = explained.tiles.class_codes(classes)[explained.positions][test]
    counts = confusion_matrix(codes, probability.argmax(axis=1), len(classes)).tolist()
    confusion = {actual: dict(zip(classes, row, strict=True)) for actual, row in zip(classes, counts, strict=True)}
    by_class = multiclass_scores(probability, codes, classes) | {"confusion": confusion}
    return {"classification": scores, "multiclass": by_class}


def _write_scores(
    folder: Path,
    rows: Mapping[str, Chosen],
    best: str,
    content: Mapping[str, Any],
    columns: Mapping[tuple[str, str], dict[str, NDArray]],
    explained: Explained,
    measured: Mapping[str, Measured],
) -> None:
    """Write what each test tile or source image adds to each score, so that rank can resample without any map."""
    ground = explained.ground
    test = explained.index.iloc[ground.rows("test")]
    tables = [
        pd.DataFrame(own).assign(truth=truth, row=name, tile_id=test["tile_id"].to_numpy())
        for (truth, name), own in columns.items()
    ]
    described = {
        name: Row(
            row.source.method,
            row.source.fusions[row.setting],
            row.source.discards[row.setting],
            row.setting,
            row.source.control,
            row.source.own,
            {truth: content[truth][name].get("beats_controls") for truth in ground.truths},
        )
        for name, row in rows.items()
    }
    index = test[["tile_id", "source", "group"]].assign(defective=ground.defective[ground.rows("test")])
    pooled = pooled_scores(content, ground.truths)
    histograms = _image_histograms(rows, measured, ground)
    write_scores(folder, pd.concat(tables) if tables else None, index, described, best, histograms, pooled)


def _image_histograms(
    rows: Mapping[str, Chosen], measured: Mapping[str, Measured], ground: Ground
) -> Iterable[ImageHistograms]:
    for name, row in sorted(rows.items()) if ground.truths else ():
        images, found = image_histograms(row.source, row.setting, measured[row.source.method].pool, ground)
        for (truth, scale), own in found.items():
            yield ImageHistograms(truth, name, scale, images, own.inside, own.outside, own.regions)


def _setting_lines(sources: Iterable[Source], scores: AllScores) -> Iterable[tuple[object, ...]]:
    labels = {source.method: source for source in sources}
    for (method, truth, split), settings in scores.items():
        source = labels[method]
        for fusion, discard, values in zip(source.fusions, source.discards, settings, strict=True):
            label = fusion if source.own else row_name(method, fusion)
            for metric, value in values.items():
                yield truth, split, label, discard, metric, value


def _stratum_lines(
    rows: Mapping[str, Chosen], measured: Mapping[str, Measured], explained: Explained
) -> Iterable[tuple[object, ...]]:
    """Yield the scores of defective test tiles by kind and by area of the defect, an exact area where there is one."""
    ground = explained.ground
    test = explained.index.iloc[ground.rows("test")]
    defective = ground.defective[ground.rows("test")]
    kinds = test["defect_class"].to_numpy(dtype=object)
    area_px = test["exact_px" if "exact" in ground.truths else "defect_px"].to_numpy(np.float64)
    area = area_px / (test["width"] * test["height"]).to_numpy(np.float64)  # of the tile, however far it was shrunk
    strata = [("kind", kind, defective & (kinds == kind)) for kind in sorted(set(kinds[defective]))]
    strata += [("area", name, own) for name, own in area_terciles(np.where(defective, area, 0)).items()]
    for truth in ground.truths:
        for by, stratum, own in strata:
            for name, row in rows.items():
                values = measured[row.source.method].test[truth].scores(own)[row.setting]
                for metric, value in values.items():
                    yield truth, by, stratum, int(own.sum()), name, metric, value


def _threshold_lines(curves: Curves, content: Mapping[str, Any], rule: Score) -> Iterable[tuple[object, ...]]:
    """Yield the scores of test tiles at every few thresholds, and where two rules put theirs."""
    for (truth, row), scores in curves.items():
        rules = {"thesis": math.floor(rule.intensity_threshold)}
        validation = content[truth][row]["thresholds"]["validation_threshold"]
        rules |= {} if math.isnan(validation) else {"validation": int(validation)}
        points = [(threshold, "") for threshold in range(0, len(scores), THRESHOLD_STEP)]
        points += [(threshold, name) for name, threshold in rules.items() if threshold < len(scores)]
        for threshold, name in sorted(points):
            yield truth, row, threshold, name, *(scores[threshold][score] for score in THRESHOLD_SCORES)


def _line(title: str, content: Mapping[str, Any], row: str) -> str:
    classification = content["classification"]
    said = f"average precision {classification['average_precision']:.3f}"
    if "multiclass" in content:
        said = f"accuracy {content['multiclass']['accuracy']:.4f} of {len(content['multiclass']['recall'])} classes"
    parts = [f"{said} on {classification['tiles']} test tiles"]
    for kind in TRUTHS:
        if kind in content:
            values = content[kind][row]
            parts.append(f"against {kind} f1 {values['f1']:.3f}, pointing game {values['pointing_game']:.3f}")
            if values["beats_controls"] is False:
                parts.append("DOES NOT BEAT ITS CONTROLS")
    return f"score {title}: " + "; ".join(parts)


if __name__ == "__main__":
    run_model_stage(score, "Score one model's classifier and heatmaps on validation and test tiles.")
