"""What the two studies printed, beside ours, where the data set is theirs.

The numbers are in the CSV files of this folder:

    thesis_table_3_4.csv, thesis_table_3_6.csv   Zabulis, Kaunas University of Technology, 2024: heatmaps against boxes
    paper_table_1.csv, paper_table_2.csv         Elion, Tabti, Budynek, FieldBox.ai: classifiers; milliseconds, mean and
                                                 standard deviation
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.figures.report.tables import percent_text

HERE = Path(__file__).parent
Rows = Mapping[str, Mapping[str, Any]]  # model -> heading -> value


@dataclass(frozen=True)
class Published:
    """A printed table, with our rows in its shape."""

    caption: str
    rows: Rows


@dataclass(frozen=True)
class Ours:
    """Our rows in the shape of each kind of table; a heading that we did not measure is left out."""

    segmentation: Rows  # the headings of table 3.4
    classification: Rows  # Accuracy, %; Precision, %; Recall, %
    times: Rows  # forward and names of methods: "mean ± standard deviation" in milliseconds


TABLES = {  # file -> data set (None: its column says), which of ours, caption
    "thesis_table_3_4": ("pcb", "segmentation", "Table 3.4 of the thesis: heatmaps against boxes, tiles of 224 px"),
    "thesis_table_3_6": ("gid", "segmentation", "Table 3.6 of the thesis: heatmaps against boxes, tiles of 224 px"),
    "paper_table_1": (None, "classification", "Table 1 of the paper: classifiers"),
    "paper_table_2": (
        None,
        "times",
        "Table 2 of the paper: ms of an image on an RTX 2080 Ti; ours on this machine",
    ),
}
STUDIES = {"thesis": "the thesis", "paper": "the paper"}


def classification_rows(scores: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Return our classifiers in percent, from what metrics/score says of each model.

    Recall of several classes is the mean over those that the test tiles have, as the paper's.
    """
    found = {}
    for name, said in scores.items():
        own = dict(said.get("multiclass", said["classification"]))
        if "multiclass" in said:
            own["recall"] = fmean(value for value in own["recall"].values() if value is not None)
        parts = (part for part in ("accuracy", "precision", "recall") if part in own)
        found[name] = {f"{part.capitalize()}, %": percent_text(own[part]) for part in parts}
    return found


def known_data_sets() -> list[str]:
    """Return the data sets with published values, sorted."""
    return sorted({data_set for file in TABLES for data_set, _, _ in _lines(file)})


def published_tables(data_set: str, ours: Ours) -> list[Published]:
    """Return the tables printed for a data set; our row stands after the printed one of the same name, others last."""
    tables = []
    for file, (_, kind, caption) in TABLES.items():
        printed = {model: values for name, model, values in _lines(file) if name == data_set}
        if printed:
            study = STUDIES[file.split("_")[0]]
            own: Rows = getattr(ours, kind)
            names = [*printed, *(model for model in own if model not in printed)]
            rows = {
                f"{model}, {source}": table[model]
                for model in names
                for source, table in ((study, printed), ("ours", own))
                if model in table
            }
            tables.append(Published(caption, rows))
    return tables


def _lines(file: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return data set, model and values of every row of a printed table; an empty field is None."""
    only = TABLES[file][0]
    with (HERE / f"{file}.csv").open(newline="", encoding="utf-8") as text:
        return [
            # values stay text, as printed: a number would get other digits
            (only or line.pop("data set"), line.pop("Model"), {name: own or None for name, own in line.items()})
            for line in csv.DictReader(text)
        ]
