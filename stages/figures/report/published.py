"""Section "Published values": what the two studies printed, beside ours, where the data set is theirs.

The numbers are in the CSV files of printed/:

    thesis_table_3_4.csv, thesis_table_3_6.csv   Zabulis, Kaunas University of Technology, 2024: heatmaps against boxes
    paper_table_1.csv, paper_table_2.csv         Elion, Tabti, Budynek, FieldBox.ai: classifiers; milliseconds, mean and
                                                 standard deviation
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.figures.report.elements import paragraph, table

PRINTED = Path(__file__).parent / "printed"
Rows = Mapping[str, Mapping[str, Any]]  # row -> heading -> value
Metrics = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/<stage>/<model>.json

TABLES = {  # file -> data set (None: its column says), which of our rows stand beside it, caption
    "thesis_table_3_4": ("pcb", "heatmaps", "Table 3.4 of the thesis: heatmaps against boxes, tiles of 224 px"),
    "thesis_table_3_6": ("gid", "heatmaps", "Table 3.6 of the thesis: heatmaps against boxes, tiles of 224 px"),
    "paper_table_1": (None, "classifiers", "Table 1 of the paper: classifiers"),
    "paper_table_2": (None, "times", "Table 2 of the paper: ms of an image on an RTX 2080 Ti; ours on this machine"),
}


def known_data_sets() -> list[str]:
    """Return the data sets with published values, sorted."""
    return sorted({data_set for file in TABLES for data_set, _, _ in _lines(file)})


def section(
    data_set: str,
    ranking: Callable[[], Mapping[str, Any]],
    metrics: Callable[[str], Metrics],
    headings: Mapping[str, str],
) -> str:
    """Return the tables printed for a data set, with our rows; of a data set that no study has, that sentence.

    Args:
        ranking: returns the fields of `stages.ranking.record.Ranking`.
        metrics: returns what a stage (score, time) measured of each model.
        headings: as for `heatmap_rows`.
    """
    known = known_data_sets()
    if data_set not in known:
        return paragraph(f"Nothing is published for {data_set}; the two studies have {', '.join(known)}.")
    scores = metrics("score")
    explanations = [row["explanation"] for row in ranking()["standings"] if row["truth"] == "boxes"]
    heatmaps = heatmap_rows(explanations, scores, headings)
    ours = {"heatmaps": heatmaps, "classifiers": classifier_rows(scores), "times": time_rows(metrics("time"))}
    return "\n".join(table(caption, rows) for caption, rows in published_tables(data_set, ours).items())


def published_tables(data_set: str, ours: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return caption -> rows of each printed table.

    Our row stands after the printed one of the same name, others last.

    Args:
        ours: heatmaps, classifiers and times -> our rows; a heading that we did not measure is left out.
    """
    tables: dict[str, Rows] = {}
    for file, (_, kind, caption) in TABLES.items():
        printed = {model: values for name, model, values in _lines(file) if name == data_set}
        if printed:
            study = f"the {file.split('_')[0]}"
            measured = ours[kind]
            tables[caption] = {
                f"{model}, {source}": values[model]
                for model in dict.fromkeys((*printed, *measured))
                for source, values in ((study, printed), ("ours", measured))
                if model in values
            }
    return tables


def heatmap_rows(explanations: Iterable[Mapping[str, Any]], scores: Metrics, headings: Mapping[str, str]) -> Rows:
    """Return our explanations against boxes in the shape of table 3.4.

    Values are means over the seeds of a model; None where one is undefined.

    Args:
        explanations: fields of `stages.ranking.record.RankedExplanation`.
        scores: of each of their models.
        headings: score -> its heading in the table.
    """
    rows: dict[str, dict[str, float | None]] = {}
    for explanation in explanations:
        of_seeds = [scores[model] for model in explanation["models"]]
        boxes = [content["boxes"][explanation["explanation"]] for content in of_seeds]
        values = {title: [row[score] for row in boxes] for score, title in headings.items()}
        values["Classification accuracy"] = [content["classification"]["accuracy"] for content in of_seeds]
        rows[explanation["name"]] = {title: None if None in seeds else fmean(seeds) for title, seeds in values.items()}
    return rows


def classifier_rows(scores: Metrics) -> Rows:
    """Return our classifiers in percent.

    Recall of several classes is the mean over those that the test tiles have, as the paper's.
    """
    rows = {}
    for model, content in scores.items():
        shares = dict(content.get("multiclass", content["classification"]))
        if "multiclass" in content:
            shares["recall"] = fmean(value for value in shares["recall"].values() if value is not None)
        names = [name for name in ("accuracy", "precision", "recall") if name in shares]
        rows[model] = {f"{name.capitalize()}, %": _percent_text(shares[name]) for name in names}
    return rows


def time_rows(timed: Metrics) -> Rows:
    """Return the times of the forward pass and of every method; of a method with several settings the first one's."""
    rows: dict[str, dict[str, str]] = {}
    for model, content in timed.items():
        rows[model] = {name: _time_text(times) for name, times in content.items() if "mean_ms" in times}
        for method, fusions in content.get("settings", {}).items():
            fusion, discards = next(iter(fusions.items()))
            discard, times = next(iter(discards.items()))
            setting = "" if fusion == method else f" ({fusion}, discard {discard})"
            rows[model][method] = _time_text(times) + setting
    return rows


def ms_text(ms: float) -> str:
    """Return milliseconds with one decimal, as printed tables have them; below 1 with two significant digits."""
    return f"{ms:.1f}" if ms >= 1 else f"{ms:.2g}"


def _time_text(times: Mapping[str, float]) -> str:
    return f"{ms_text(times['mean_ms'])} \u00b1 {ms_text(times['std_ms'])}"


def _percent_text(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.2f}"


def _lines(file: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return data set, model and values of every row of a printed table; an empty field is None."""
    only = TABLES[file][0]
    with (PRINTED / f"{file}.csv").open(newline="", encoding="utf-8") as text:
        return [
            # values stay text, as printed: a number would get other digits
            (only or line.pop("data set"), line.pop("Model"), {name: value or None for name, value in line.items()})
            for line in csv.DictReader(text)
        ]
