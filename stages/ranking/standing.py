"""What is said of each row of a ranking: in metrics/rank.json and in plots/rank.csv, truths.csv and latency.csv."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.ranking.comparison import Estimates, behind, rank_certainty
from stages.ranking.pareto import pareto_front
from stages.ranking.ranks import Ranked

RANK_COLUMNS = ("family", "model", "metric", "rank", "value", "low", "high", "clusters", "between_seeds")
TRUTHS_COLUMNS = ("truth", "family", "model", "metric", "value", "low", "high", "clusters")
LATENCY_COLUMNS = (
    *("truth", "family", "model", "classifier", "explanation", "seeds", "metric", "latency_ms"),
    *("value", "low", "high", "clusters", "on_front", "place", "best_of_classifier", "beats_controls"),
    *("behind", "behind_low", "behind_high", "told_apart"),
)


@dataclass(frozen=True)
class Entry:
    """One row of the ranking: a model under all its seeds, and an explanation."""

    family: str
    models: list[str]  # one per seed
    row: str  # of data/scores/<model>
    beats_controls: Mapping[str, list[bool | None]]  # truth -> of each seed; None: nothing to compare with

    def controls_beaten(self, truth: str) -> int | None:
        """Return in how many seeds the row beats every control; None where one has nothing to compare with."""
        known = [own for own in self.beats_controls[truth] if own is not None]
        return sum(known) if len(known) == len(self.models) else None


Entries = Mapping[str, Entry]  # name of the row -> what it is; rows of `Estimates` in this order


def row_content(
    ranked: Mapping[str, list[Ranked]],
    entries: Entries,
    truth: str,
    estimates: Estimates,
    latency_ms: NDArray[np.float64],
) -> dict[str, dict[str, Any]]:
    """Return family -> row -> what metrics/rank.json says of it against the truth that is ranked by.

    `..._in_resamples` are ranges and shares of the bootstrap, see `RankCertainty`; null where clusters are too few.

    Args:
        latency_ms: (M,) of one forward pass with the row's explanation in its own setting.
    """
    names = list(entries)
    overall = rank_certainty(estimates, range(len(names))).best
    front = pareto_front(estimates.values[:, 0], latency_ms)
    content: dict[str, dict[str, Any]] = {}
    for family, rows in ranked.items():
        places = [names.index(row.name) for row in rows]
        certainty = rank_certainty(estimates, places)
        content[family] = {}
        for own, (row, place) in enumerate(zip(rows, places, strict=True)):
            seeds, beaten = len(entries[row.name].models), entries[row.name].controls_beaten(truth)
            content[family][row.name] = {
                "ranks": row.ranks,
                "average_rank": row.average_rank,
                "average_rank_low_in_resamples": certainty.low[own],
                "average_rank_high_in_resamples": certainty.high[own],
                "best_in_resamples": certainty.best[own],
                "best_overall_in_resamples": overall[place],
                "clusters": estimates.clusters,
                "undefined": row.undefined,
                "seeds": seeds,
                "beats_controls": None if beaten is None else beaten == seeds,
                "seeds_that_beat_controls": beaten,
                "latency_ms": latency_ms[place],
                "on_pareto_front": bool(front[place]),
            }
    return content


def rank_lines(
    ranked: Mapping[str, list[Ranked]], content: Mapping[str, dict[str, Any]], names: list[str], estimates: Estimates
) -> Iterable[tuple[object, ...]]:
    """Yield `RANK_COLUMNS`: a line per row and metric with the interval of its value, and one for the average rank.

    Of the average rank, low and high are a range of resamples.
    """
    (low, high), clusters = estimates.scores.interval(), estimates.scores.clusters
    for family, rows in ranked.items():
        for row in rows:
            place = names.index(row.name)
            for k, (metric, own) in enumerate(row.ranks.items()):
                interval = float(low[place, k]), float(high[place, k]), int(clusters[place, k])
                spread = float(estimates.between_seeds[place, k])
                yield family, row.name, metric, own, row.values[metric], *interval, spread
            said = content[family][row.name]
            ends = said["average_rank_low_in_resamples"], said["average_rank_high_in_resamples"]
            yield family, row.name, "average", said["average_rank"], math.nan, *ends, said["clusters"], math.nan


def truth_lines(
    entries: Entries, by_truth: Mapping[str, Estimates], metrics: Sequence[str]
) -> Iterable[tuple[object, ...]]:
    """Yield `TRUTHS_COLUMNS`, one line per truth, row and metric."""
    for truth, estimates in by_truth.items():
        (low, high), clusters = estimates.scores.interval(), estimates.scores.clusters
        for place, (name, entry) in enumerate(entries.items()):
            for k, metric in enumerate(metrics):
                own = (float(part[place, k]) for part in (estimates.values, low, high))
                yield truth, entry.family, name, metric, *own, int(clusters[place, k])


def latency_lines(
    entries: Entries,
    by_truth: Mapping[str, Estimates],
    orders: Mapping[str, Sequence[str]],
    metric: str,
    latency_ms: NDArray[np.float64],
) -> Iterable[tuple[object, ...]]:
    """Yield `LATENCY_COLUMNS`, one line per truth and row, in the first metric of the estimates.

    `place` is the row's in `orders` (truth -> names, best first), 1 the best; `best_of_classifier` is 1 where it is the
    first of its model, else 0; `on_front` is 1 where no row is better in the metric and faster, else 0. `behind` is how
    far a row is behind the row of place 1 in the metric, with its paired 95% interval, below 0 where it is ahead; that
    row was picked on the tiles that it is compared on, which flatters it. `beats_controls`: in how many of the `seeds`.
    """
    for truth, estimates in by_truth.items():
        names, order = list(entries), orders[truth]
        if not order:
            continue
        (low, high), clusters = estimates.scores[:, 0].interval(), estimates.scores[:, 0].clusters
        values, front = estimates.values[:, 0], pareto_front(estimates.values[:, 0], latency_ms)
        apart = behind(estimates, names.index(order[0]), 0)
        leaders: dict[str, str] = {}
        for name in order:
            leaders.setdefault(entries[name].models[0], name)
        for at, (name, entry) in enumerate(entries.items()):
            classifier, first = entry.models[0], name == order[0]
            yield (
                *(truth, entry.family, name, classifier, entry.row, len(entry.models), metric, float(latency_ms[at])),
                *(float(values[at]), float(low[at]), float(high[at]), int(clusters[at]), int(front[at])),
                *(order.index(name) + 1, int(leaders[classifier] == name), entry.controls_beaten(truth)),
                *(float(apart.value[at]), float(apart.low[at]), float(apart.high[at])),
                "" if first else apart.told_apart[at],
            )
