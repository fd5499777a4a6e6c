"""Tables of scores in the shape of the thesis' tables 3.4 and 3.6, and of ranks in that of 3.5 and 3.7, as CSV."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.ranking.average_ranks import average_ranks, metric_ranks
from stages.runtime.errors import InputError

NAME, AVERAGE, FAMILY = "Model", "Average rank", "Family"
COLUMNS = {  # metric -> its heading, in the order of the printed tables
    "f1": "F1",
    "precision": "Precision",
    "jaccard": "Jaccard Index",
    "accuracy": "Accuracy",
    "recall": "Recall",
    "pointing_game": "Pointing game",
}
FUSIONS = ("_fmin", "_fmean", "_fmax")

Table = dict[str, dict[str, float]]  # row -> metric -> value


def read_score_table(path: Path) -> dict[str, Table]:
    """Read a table of scores.

    Columns: Model, F1, Precision, Jaccard Index, Accuracy, Recall, Pointing game; others are overlooked, but Family
    ("cnn" or "vit") says where a row is ranked. Without it a name that ends in _fmin, _fmean or _fmax (fused attention
    heads) is a ViT's and any other a CNN's, as the thesis names them. An empty field is undefined.

    Returns:
        family -> row -> metric -> value, in the order of the file.

    Raises:
        InputError: the file is missing or not such a table, or a family has a single row, which nothing can be ranked
            against.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise InputError(f"{path}: missing") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from None
    if not lines:
        raise InputError(f"{path}: has no rows")
    for heading in (NAME, *COLUMNS.values()):
        if heading not in lines[0]:
            raise InputError(f"{path}: column {heading!r} is missing; a table of scores has {', '.join(_headings())}")
    families: dict[str, Table] = {"cnn": {}, "vit": {}}
    for place, line in enumerate(lines, start=2):
        family, name = _family(path, place, line), line[NAME]
        if any(name in table for table in families.values()):
            raise InputError(f"{path}: line {place}: {name} is there twice")
        families[family][name] = {metric: _number(path, place, line, title) for metric, title in COLUMNS.items()}
    for family, table in families.items():
        if len(table) == 1:
            raise InputError(f"{path}: {family} has only one row, {next(iter(table))}; ranks need two or more")
    return families


def rank_table(path: Path) -> str:
    """Rank the rows of a table of scores within their families.

    Returns:
        Ranks as CSV in the columns of table 3.5; averages with two decimals, as printed there.

    Raises:
        InputError: as `read_score_table`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_headings(), AVERAGE))
    for table in filter(None, read_score_table(path).values()):
        values = np.array([list(scores.values()) for scores in table.values()])
        for name, ranks, average in zip(table, metric_ranks(values), average_ranks(values), strict=True):
            writer.writerow((name, *ranks, f"{round(average, 2):g}"))
    return text.getvalue().rstrip("\n")


def _headings() -> tuple[str, ...]:
    return (NAME, *COLUMNS.values())


def _family(path: Path, place: int, line: Mapping[str, str]) -> str:
    if FAMILY not in line:
        return "vit" if line[NAME].endswith(FUSIONS) else "cnn"
    family = (line[FAMILY] or "").strip().lower()
    if family not in ("cnn", "vit"):
        raise InputError(f"{path}: line {place}: {FAMILY} is {line[FAMILY]!r}; expected cnn or vit")
    return family


def _number(path: Path, place: int, line: Mapping[str, str], heading: str) -> float:
    text = line[heading]
    if text is None:
        raise InputError(f"{path}: line {place}: has fewer fields than the header")
    try:
        return float(text) if text.strip() else math.nan
    except ValueError:
        raise InputError(f"{path}: line {place}: {heading} is {text!r}; expected a number") from None
