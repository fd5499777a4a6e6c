"""What this run has for the cells of a study's printed tables, with its interval where it has one.

Intervals: of heatmaps those of the ranking, over clusters of test tiles; of a classifier's shares the exact binomial
one, which takes tiles for independent. A share's hits are what the share and its tiles give, rounded: records hold
shares to five decimals.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from stages.figures.report.published import PRINTED, ms_text
from stages.figures.report.study_cells import Cell, Ours, Table, half_unit
from stages.records.paths import plot_file

Metrics = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/<stage>/<model>.json
Row = Mapping[str, Ours]  # heading -> ours
NOT_RUN, OTHER_STUDY = Ours(why="not run"), Ours(why="other study")
PAPER_MODELS = {"CNN (VGG16)": "VGG16", "ViT (ViT-S/16 DINO)": "ViT_small_DINO"}  # as printed -> in params.yaml


@dataclass(frozen=True)
class Measured:
    """What this run measured, read once it is asked for."""

    data_set: str
    ranking: Callable[[], Mapping[str, Any]]  # fields of `stages.ranking.record.Ranking`
    metrics: Callable[[str], Metrics]  # stage (score, time, train) -> what it measured of each model
    headings: Mapping[str, str]  # score -> its heading in the tables, in their order
    exact_interval: Callable[[int, int], tuple[float, float]]  # hits, trials -> see `stages.metrics.binomial`


def read_printed(file: str) -> list[dict[str, str | None]]:
    """Return the lines of printed/<file>.csv, values as text with the printed digits, an empty field as None."""
    with (PRINTED / f"{file}.csv").open(newline="", encoding="utf-8") as text:
        return [{name: value or None for name, value in line.items()} for line in csv.DictReader(text)]


def beside(file: str, ours: Mapping[str, Row]) -> dict[str, dict[str, Cell]]:
    """Return a printed table of models with our cells in it.

    Args:
        file: as for `read_printed`.
        ours: row as printed -> heading -> ours; a row that is not there was not run. Where the printed cell is empty,
            because one holds for several rows, ours is too.
    """
    lines = read_printed(file)
    headings = [name for name in lines[0] if name != "Model"]
    halves = {name: half_unit(line[name] for line in lines) for name in headings}
    cells: dict[str, dict[str, Cell]] = {}
    for line in lines:
        row = ours.get(name := str(line["Model"]), {})
        cells[name] = {
            title: Cell(line[title], row.get(title, NOT_RUN) if line[title] else Ours(), halves[title])
            for title in headings
        }
    return cells


def training(file: str, measured: Measured) -> Table:
    """Return table 3.2 or 3.3: what each model was trained with, and how right it is."""
    rows = {}
    scores = measured.metrics("score")
    for model, own in measured.metrics("train").items():
        tested = scores[model]["classification"]
        rows[model] = {
            "Learning rate": Ours(_decimals(own.get("lr"))),
            "Batch size": Ours(str(own.get("batch", ""))),
            "Loss": Ours(f"{own['val_loss']:.3f}" if "val_loss" in own else "", why="validation tiles"),
            "Val accuracy, %": _share(own.get("val_accuracy"), _validation_tiles(model), measured),
            "Test accuracy, %": _share(tested["accuracy"], tested["tiles"], measured),
        }
    return beside(file, rows)


def heatmaps(file: str, measured: Measured) -> Table:
    """Return table 3.4 or 3.6: scores against the truth that the ranking goes by."""
    scores, rows = measured.metrics("score"), {}
    for standing in _standings(measured):
        name, seeds = standing["explanation"]["name"], standing["explanation"]["models"]
        rows[name] = {
            title: _estimate(standing["scores"][metric]) if metric in standing["scores"] else Ours(why="not ranked by")
            for metric, title in measured.headings.items()
        }
        tested = [scores[model]["classification"] for model in seeds]
        accuracy = _share(tested[0]["accuracy"], tested[0]["tiles"], measured, unit=1)
        if len(seeds) > 1:  # of the same tiles, so not as many trials more
            accuracy = Ours(f"{fmean(own['accuracy'] for own in tested):.4f}", why=f"mean of {len(seeds)} seeds")
        rows[name]["Classification accuracy"] = accuracy
    return beside(file, rows)


def ranks(file: str, measured: Measured) -> Table:
    """Return table 3.5 or 3.7: ranks within each family.

    A rank has no interval; the average rank has where the middle 95% of resamples lie. Where other rows or other scores
    are ranked than in print, ranks are shown and not compared.
    """
    standings = _standings(measured)
    printed = {line["Model"] for line in read_printed(file)}
    same = {standing["explanation"]["name"] for standing in standings} == printed
    same = same and all(set(standing["ranks"]) == set(measured.headings) for standing in standings)
    rows = {}
    for standing in standings:
        average = standing["average_rank"]
        row = {
            title: Ours(str(standing["ranks"][metric])) if metric in standing["ranks"] else Ours(why="not ranked by")
            for metric, title in measured.headings.items()
        }
        if same:
            row["Average rank"] = Ours(f"{average['value']:.2f}", average["low"], average["high"])
        else:
            row["Average rank"] = Ours(f"{average['value']:.2f}", why="among other rows or scores")
        rows[standing["explanation"]["name"]] = row
    return beside(file, rows)


def classifiers(file: str, measured: Measured) -> Table:
    """Return table 1 of the paper in percent: a row for each data set, columns by classifier.

    Binary: recall is a share of the defective tiles, precision of those that are called defective; both have exact
    intervals. Of several classes both are means over the classes, which have none.
    """
    scores = measured.metrics("score")
    return _by_data_set(file, measured, {model: _shares(own, measured) for model, own in scores.items()})


def times(file: str, measured: Measured) -> Table:
    """Return table 2 of the paper: mean and standard deviation in ms, and the mean in forward passes of that model.

    Milliseconds of another machine are not compared.
    """
    printed = {(line["data set"], line["Model"]): line for line in read_printed(file)}
    rows = {}
    for name, model in PAPER_MODELS.items():
        if own := measured.metrics("time").get(model):
            rows[model] = _time_row(own, printed[measured.data_set, name])
    return _by_data_set(file, measured, rows)


def _time_row(timed: Mapping[str, Any], printed: Mapping[str, str | None]) -> dict[str, Ours]:
    """Return method -> time under its first setting, and for the forward pass."""
    settings = {method: next(iter(fusions.values())) for method, fusions in timed.get("settings", {}).items()}
    found = {"forward": timed["forward"]} | {name: next(iter(own.values())) for name, own in settings.items()}
    row = {}
    for name, own in found.items():
        passes = f"{own['mean_ms'] / timed['forward']['mean_ms']:.1f} forward passes"
        if text := printed.get(name):
            passes += f", printed {_mean_ms(text) / _mean_ms(printed['forward']):.1f}"
        time = f"{ms_text(own['mean_ms'])} \u00b1 {ms_text(own['std_ms'])}"
        row[name] = Ours(time, why="" if name == "forward" else passes)
    return row


def _mean_ms(text: str | None) -> float:
    """Return the mean of a printed "mean \u00b1 standard deviation"."""
    return float((text or "nan").split()[0])


def _by_data_set(file: str, measured: Measured, ours: Mapping[str, Row]) -> Table:
    """Return a table of the paper: data set -> "CNN (VGG16): Accuracy, %" -> cell, as many columns as are printed."""
    lines = read_printed(file)
    headings = [name for name in lines[0] if name not in ("data set", "Model")]
    halves = {name: half_unit(line[name] for line in lines) for name in headings}
    rows: dict[str, dict[str, Cell]] = {}
    for line in lines:
        data_set, model = str(line["data set"]), str(line["Model"])
        own = ours.get(PAPER_MODELS[model], {}) if data_set == measured.data_set else {}
        missing = NOT_RUN if data_set == measured.data_set else OTHER_STUDY
        row = rows.setdefault(data_set, {})
        for name in filter(line.get, headings):
            row[f"{model}: {name}"] = Cell(line[name], own.get(name, missing), halves[name])
    return rows


def _shares(scores: Mapping[str, Any], measured: Measured) -> dict[str, Ours]:
    binary = scores["classification"]
    if "multiclass" not in scores:
        found = (binary["recall"] or 0) * binary["defective_tiles"]
        called = round(found / binary["precision"]) if binary["precision"] else 0
        return {
            "Accuracy, %": _share(binary["accuracy"], binary["tiles"], measured),
            "Precision, %": _share(binary["precision"], called, measured),
            "Recall, %": _share(binary["recall"], binary["defective_tiles"], measured),
        }
    several = scores["multiclass"]
    return {
        "Accuracy, %": _share(several["accuracy"], several["tiles"], measured),
        "Precision, %": _mean_of_classes(_class_precisions(several["confusion"])),
        "Recall, %": _mean_of_classes(list(several["recall"].values())),
    }


def _mean_of_classes(shares: Sequence[float | None]) -> Ours:
    known = [share for share in shares if share is not None]
    return Ours(f"{100 * fmean(known):.2f}", why="mean of classes") if known else Ours(why="undefined")


def _class_precisions(confusion: Mapping[str, Mapping[str, int]]) -> list[float | None]:
    """Return TP / (TP + FP) of every class that is called at all, from actual -> called -> tiles."""
    called = {name: sum(row[name] for row in confusion.values()) for name in confusion}
    return [confusion[name][name] / count if count else None for name, count in called.items()]


def _standings(measured: Measured) -> Sequence[Mapping[str, Any]]:
    ranking = measured.ranking()
    return [standing for standing in ranking["standings"] if standing["truth"] == ranking["truth"]]


def _estimate(estimate: Mapping[str, float]) -> Ours:
    if math.isnan(estimate["value"]):
        return Ours(why="undefined")
    why = "no interval" if math.isnan(estimate["low"]) else ""
    return Ours(f"{estimate['value']:.4f}", estimate["low"], estimate["high"], why)


def _share(share: float | None, trials: int, measured: Measured, unit: int = 100) -> Ours:
    """Return a share of independent trials, times `unit`: in percent with two decimals, as itself (1) with four."""
    if share is None:
        return Ours(why="undefined")
    text = f"{unit * share:.{4 if unit == 1 else 2}f}"
    low, high = measured.exact_interval(round(share * trials), trials)
    return Ours(text, unit * low, unit * high, "" if trials else "no interval")


def _validation_tiles(model: str) -> int:
    """Return how many validation tiles the kept epoch was measured on, by its confusion; 0 where that is not there."""
    file = plot_file("confusion", model, ".csv")
    if not file.is_file():
        return 0
    with file.open(newline="", encoding="utf-8") as text:
        return sum(int(line["tiles"]) for line in csv.DictReader(text))


def _decimals(value: float | None) -> str:
    """Return three significant digits without an exponent, as learning rates are printed."""
    return "" if value is None else np.format_float_positional(value, 3, fractional=False, trim="-")
