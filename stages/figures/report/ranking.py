"""Section "Ranking": ranks within each family, scores against each truth, with their intervals, and the references."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.figures.report import references
from stages.figures.report.elements import cell_text, table

Standing = Mapping[str, Any]  # fields of `stages.ranking.record.Standing`


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


def _clusters(rows: Sequence[Standing]) -> int:
    return max(estimate["clusters"] for row in rows for estimate in row["scores"].values())


def _scores(row: Standing) -> dict[str, str]:
    """Return metric -> score with its interval, "" where it is undefined."""
    texts = {}
    for metric, estimate in row["scores"].items():
        interval = f" ({cell_text(estimate['low'])} to {cell_text(estimate['high'])})"
        interval = "" if math.isnan(estimate["low"]) else interval
        texts[metric] = "" if math.isnan(estimate["value"]) else cell_text(estimate["value"]) + interval
    return texts


def _ranks(row: Standing) -> dict[str, str]:
    """Return metric -> rank, and score with its interval."""
    scores = _scores(row)
    ranks = {metric: ": ".join(filter(None, (str(rank), scores[metric]))) for metric, rank in row["ranks"].items()}
    return ranks | {"average": f"{row['average_rank']['value']:g}"}
