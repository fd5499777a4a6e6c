"""Sections "Ranking", with references, and "Whole photographs": ranks; scores against each truth, with intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.figures.report import references
from stages.figures.report.elements import cell_text, paragraph, table

Standing = Mapping[str, Any]  # fields of `stages.ranking.record.Standing`
Metrics = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/score/<model>.json
HEADINGS = {  # score in the record of the ranking -> its column
    "froc": "FROC",
    "found_at_1_8": "found at 1/8",
    "found_at_1": "at 1",
    "found_at_8": "at 8",
    "photograph_pointing_game": "pointing game",
    "photograph_auroc": "AUROC of photographs",
}


def section(ranking: Mapping[str, Any]) -> str:
    """Return a table of each family and one of each truth, and what references say, where there are some.

    Args:
        ranking: fields of `stages.ranking.record.Ranking`.
    """
    standings, tables = ranking["standings"], []
    ranked = [standing for standing in standings if standing["truth"] == ranking["truth"]]
    for family in sorted({standing["explanation"]["family"] for standing in ranked}):
        rows = [standing for standing in ranked if standing["explanation"]["family"] == family]
        rows.sort(key=lambda standing: standing["place"])
        caption = f"Ranks within the family {family}, value with its 95% interval over up to {_clusters(rows)} clusters"
        tables.append(table(caption, {row["explanation"]["name"]: _ranks(row) for row in rows}))
    for truth in sorted({standing["truth"] for standing in standings}):
        rows = [standing for standing in standings if standing["truth"] == truth]
        caption = f"Scores against {truth}, 95% intervals over up to {_clusters(rows)} clusters"
        tables.append(table(caption, {row["explanation"]["name"]: _scores(row) for row in rows}))
    return "\n".join(filter(None, [*tables, references.section(ranking)]))


def photographs(ranking: Mapping[str, Any], scores: Metrics) -> str:
    """Return a table of each truth, or a sentence that says why no test image counts as a photograph.

    Args:
        ranking: fields of `stages.ranking.record.Ranking`.
        scores: of every model in it.
    """
    counted = next(iter(scores.values())).get("photographs") or {}
    if counted.get("left_out"):
        return paragraph(f"No photograph was scored: {counted['left_out']}.")
    rows = [standing for standing in ranking["standings"] if standing["photographs"]]
    tables = []
    for truth in dict.fromkeys(row["truth"] for row in rows):
        of_truth = sorted((row for row in rows if row["truth"] == truth), key=_froc_first)
        caption = (
            f"{counted['count']} photographs, {counted['defective']} of them defective, against {truth}: share of "
            "defects found with so many false regions per photograph, 95% intervals"
        )
        cells = {row["explanation"]["name"]: _of_photographs(row["photographs"]) for row in of_truth}
        tables.append(table(caption, cells))
    return "\n".join(tables)


def _froc_first(row: Mapping[str, Any]) -> tuple[bool, float]:
    value = row["photographs"]["froc"]["value"]
    return value != value, -value


def _of_photographs(scores: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    return {heading: _with_interval(scores[score]) for score, heading in HEADINGS.items()}


def _clusters(rows: Sequence[Standing]) -> int:
    return max(estimate["clusters"] for row in rows for estimate in row["scores"].values())


def _scores(row: Standing) -> dict[str, str]:
    """Return metric -> score with its interval, "" where it is undefined."""
    return {metric: _with_interval(estimate) for metric, estimate in row["scores"].items()}


def _with_interval(estimate: Mapping[str, float]) -> str:
    """Return a score with its interval, "" where it is undefined."""
    if math.isnan(estimate["value"]):
        return ""
    interval = f" ({cell_text(estimate['low'])} to {cell_text(estimate['high'])})"
    return cell_text(estimate["value"]) + ("" if math.isnan(estimate["low"]) else interval)


def _ranks(row: Standing) -> dict[str, str]:
    """Return metric -> rank, and score with its interval."""
    scores = _scores(row)
    ranks = {metric: ": ".join(filter(None, (str(rank), scores[metric]))) for metric, rank in row["ranks"].items()}
    return ranks | {"average": f"{row['average_rank']['value']:g}"}
