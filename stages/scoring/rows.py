"""Which explanations are compared, under which setting, and what metrics/score/<model>.json says of each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stages.metrics.table import PixelHistograms, metrics_of
from stages.metrics.thresholds import scores_by_threshold
from stages.scoring.choice import best_index
from stages.scoring.explanations import Source, beats_controls, fractions_of, threshold_scores, validation_counts
from stages.scoring.localisation import SCORES, defined_mean
from stages.scoring.measuring import (
    SPLITS,
    Ground,
    Measured,
    good_tile_alarms,
    levels_of,
    scores_of_grid_truth,
    tile_columns,
)
from stages.scoring.settings import Score

AllScores = Mapping[tuple[str, str, str], list[dict[str, float]]]  # method, truth, split -> scores of each setting
Curves = dict[tuple[str, str], list[dict[str, float]]]  # truth, row -> scores at each threshold 0..254


@dataclass(frozen=True)
class Chosen:
    """A row of every table: one source under the setting that validation chose."""

    source: Source
    setting: int


def all_scores(measured: Mapping[str, Measured], ground: Ground) -> AllScores:
    """Return the scores of every method and setting, in both splits and against every truth."""
    return {
        (method, truth, split): own.scores(truth, split)
        for method, own in measured.items()
        for truth in ground.truths
        for split in SPLITS
    }


def choose_rows(sources: Sequence[Source], scores: AllScores, ground: Ground, by: str) -> tuple[dict[str, Chosen], str]:
    """Choose one setting a row on validation tiles, and the best row of the family's own method.

    The first truth decides: boxes where there are any, else the exact masks; by labels alone nothing can be chosen, and
    each row takes its smallest discard ratio.
    """
    rows, best, values = {}, [], []
    for source in sources:
        validation = (
            scores[source.method, ground.truths[0], "val"]
            if ground.truths
            else [dict.fromkeys(SCORES, math.nan)] * len(source.fusions)
        )
        for name, setting in source.chosen(validation, by).items():
            rows[name] = Chosen(source, setting)
            if source.own:
                best.append(name)
                values.append(validation[setting])
    return rows, best[best_index(values, by)]


def score_tables(
    rows: Mapping[str, Chosen],
    scores: AllScores,
    measured: Mapping[str, Measured],
    ground: Ground,
    rule: Score,
) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, NDArray]], Curves]:
    """Return truth -> row -> its test scores, with good_tiles -> row -> false alarms; columns; and curves.

    The columns are of test tiles, as those of `stages.scoring.measuring.tile_columns`; the curves, pooled over test
    tiles, are of all rows but controls.
    """
    shown = ground.probability > rule.probability_threshold
    splits = ground.splits["val"], ground.splits["test"]
    columns, curves = {}, {}
    geometries = {row.source.geometry: row.source for row in rows.values()}
    known = {geometry: scores_of_grid_truth(source, ground, rule) for geometry, source in geometries.items()}
    content: dict[str, Any] = {truth: {} for truth in ground.truths} | {"good_tiles": {}}
    for name, row in rows.items():
        levels = levels_of(row.source, row.setting, ground)
        content["good_tiles"][name] = good_tile_alarms(row.source, row.setting, levels, ground, rule)
        for truth in ground.truths:
            tiles = measured[row.source.method].test[truth]
            defective = ground.defective[ground.rows("test")]
            own = scores[row.source.method, truth, "test"][row.setting]
            chosen = validation_counts(levels, truth, shown, *splits)
            columns[truth, name] = tile_columns(measured[row.source.method].test, truth, row.setting) | chosen
            if not row.source.control:
                curves[truth, name] = scores_by_threshold(levels, truth, shown, splits[1])
            content[truth][name] = {
                "area": defined_mean(tiles.area[defective & (tiles.area > 0)]),
                "discard": row.source.discards[row.setting],
                **own,
                "thresholds": threshold_scores(levels, truth, shown, *splits, math.floor(rule.intensity_threshold)),
                "of_grid_truth": fractions_of(own, known[row.source.geometry][truth]),
                "undefined": tiles.undefined(defective)[row.setting],
            }
    controls = {name: row.source.method for name, row in rows.items() if row.source.control}
    for truth in ground.truths:
        values = {name: content[truth][name][rule.choose_by] for name in rows}
        for name, row in rows.items():
            if not row.source.control:
                content[truth][name]["beats_controls"] = beats_controls(name, row.source.method, values, controls)
    return content, columns, curves


def pooled_scores(content: Mapping[str, Any], truths: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Return truth -> row -> those scores of `score_tables` that histograms of all pixels gave."""
    names = metrics_of(PixelHistograms)
    return {
        truth: {row: {name: own[name] for name in names} for row, own in content[truth].items()} for truth in truths
    }
