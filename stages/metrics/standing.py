"""What is said of each row of a ranking: in metrics/rank.json and in plots/rank.csv, truths.csv and latency.csv."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.metrics.comparison import Estimates, behind_best, rank_certainty
from stages.metrics.pareto import pareto_front
from stages.metrics.ranking import Ranked

RANK_COLUMNS = ("family", "model", "metric", "rank", "value", "low", "high", "between_seeds")
TRUTHS_COLUMNS = ("truth", "family", "model", "metric", "value", "low", "high")
LATENCY_COLUMNS = (
    *("truth", "family", "model", "classifier", "explanation", "metric", "latency_ms", "value", "low", "high"),
    *("on_front", "best_of_classifier", "behind", "behind_low", "behind_high"),
)


@dataclass(frozen=True)
class Entry:
    """One row of the ranking: a model under all its seeds, and an explanation."""

    family: str
    models: list[str]
    row: str  # of data/scores/<model>
    method: str
    beats_controls: bool | None


Entries = Mapping[str, Entry]  # name of the row -> what it is; rows of `Estimates` in this order


def row_content(
    ranked: Mapping[str, list[Ranked]], entries: Entries, estimates: Estimates, latency_ms: NDArray[np.float64]
) -> dict[str, dict[str, Any]]:
    """Return family -> row -> what metrics/rank.json says of it.

    Args:
        latency_ms: (M,) of one forward pass with the row's explanation; NaN where it was not measured.
    """
    names = list(entries)
    overall = rank_certainty(estimates.resampled).best
    front = pareto_front(estimates.values[:, 0], latency_ms)
    content: dict[str, dict[str, Any]] = {}
    for family, rows in ranked.items():
        places = [names.index(row.name) for row in rows]
        certainty = rank_certainty(estimates.resampled[:, places])
        content[family] = {
            row.name: {
                "ranks": row.ranks,
                "average_rank": row.average_rank,
                "average_rank_low": certainty.low[own],
                "average_rank_high": certainty.high[own],
                "best_probability": certainty.best[own],
                "best_probability_overall": overall[place],
                "undefined": row.undefined,
                "beats_controls": entries[row.name].beats_controls,
                "seeds": len(entries[row.name].models),
                "latency_ms": latency_ms[place],
                "on_pareto_front": bool(front[place]),
            }
            for own, (row, place) in enumerate(zip(rows, places, strict=True))
        }
    return content


def rank_lines(
    ranked: Mapping[str, list[Ranked]], content: Mapping[str, dict[str, Any]], names: list[str], estimates: Estimates
) -> Iterable[tuple[object, ...]]:
    """Yield `RANK_COLUMNS`: a line per row and metric with the interval of its value, and one for the average rank."""
    low, high = estimates.interval
    for family, rows in ranked.items():
        for row in rows:
            place = names.index(row.name)
            for k, (metric, own) in enumerate(row.ranks.items()):
                spread = estimates.between_seeds[place, k]
                yield family, row.name, metric, own, row.values[metric], low[place, k], high[place, k], spread
            said = content[family][row.name]
            average = said["average_rank"], math.nan, said["average_rank_low"], said["average_rank_high"]
            yield family, row.name, "average", *average, math.nan


def truth_lines(
    entries: Entries, by_truth: Mapping[str, Estimates], metrics: Sequence[str]
) -> Iterable[tuple[object, ...]]:
    """Yield `TRUTHS_COLUMNS`, one line per truth, row and metric."""
    for truth, estimates in by_truth.items():
        low, high = estimates.interval
        for place, (name, entry) in enumerate(entries.items()):
            for k, metric in enumerate(metrics):
                yield truth, entry.family, name, metric, estimates.values[place, k], low[place, k], high[place, k]


def latency_lines(
    entries: Entries, by_truth: Mapping[str, Estimates], metric: str, latency_ms: NDArray[np.float64]
) -> Iterable[tuple[object, ...]]:
    """Yield `LATENCY_COLUMNS`, one line per truth and row, in the first metric of the estimates.

    `on_front` and `best_of_classifier` are 1 or 0: no row is better and faster; no other explanation of the same model
    scores higher. `behind` is how far a row is behind the truth's best one, with its 95% interval on the same
    resamples; the best one was picked on the tiles that it is compared on, which flatters it.
    """
    for truth, estimates in by_truth.items():
        values, (low, high) = estimates.values[:, 0], estimates.interval
        front = pareto_front(values, latency_ms)
        behind = behind_best(estimates, 0)
        best: dict[str, int] = {}
        for place, entry in enumerate(entries.values()):
            leader = best.setdefault(entry.models[0], place)
            if values[place] > values[leader] or math.isnan(values[leader]):
                best[entry.models[0]] = place
        for place, (name, entry) in enumerate(entries.items()):
            classifier = entry.models[0]
            score = float(values[place]), float(low[place, 0]), float(high[place, 0])
            marks = int(front[place]), int(best[classifier] == place)
            yield (
                *(truth, entry.family, name, classifier, entry.row, metric, float(latency_ms[place])),
                *(*score, *marks, *(float(own[place]) for own in behind)),
            )
