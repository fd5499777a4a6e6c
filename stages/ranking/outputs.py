"""What people read of a ranking: metrics/rank.json, and in plots rank.csv, truths.csv, latency.csv, photographs.csv."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from stages.ranking.record import FAMILIES, NEAREST_GOOD, SUPERVISED, Estimate, Ranking
from stages.records.files import write_csv
from stages.records.paths import LATENCY_PLOT, PHOTOGRAPHS_PLOT, RANK_PLOT, TRUTHS_PLOT

RANK_COLUMNS = ("family", "model", "metric", "rank", "value", "low", "high", "clusters", "between_seeds")
TRUTHS_COLUMNS = ("truth", "family", "model", "metric", "value", "low", "high", "clusters")
PHOTOGRAPHS_DRAWN = ("froc", "found_at_1", "photograph_pointing_game")  # metrics/rank.json has all of them
LATENCY_COLUMNS = (
    *("truth", "family", "model", "classifier", "explanation", "seeds", "metric", "latency_ms"),
    *("value", "low", "high", "clusters", "on_front", "place", "best_of_classifier", "beats_controls"),
    *("behind", "behind_low", "behind_high", "told_apart"),
)

Line = tuple[object, ...]


def write_plots(ranking: Ranking) -> None:
    """Write the four tables."""
    write_csv(RANK_PLOT, RANK_COLUMNS, _rank_lines(ranking))
    write_csv(TRUTHS_PLOT, TRUTHS_COLUMNS, _truth_lines(ranking))
    write_csv(LATENCY_PLOT, LATENCY_COLUMNS, _latency_lines(ranking))
    write_csv(PHOTOGRAPHS_PLOT, TRUTHS_COLUMNS, _photograph_lines(ranking))


def metrics_by_family(ranking: Ranking) -> dict[str, dict[str, Any]]:
    """Return family -> name -> what metrics/rank.json says of an explanation against the truth that is ranked by.

    `..._in_resamples` are ranges and shares of the bootstrap, see `stages.ranking.estimates.RankCertainty`.
    """
    content: dict[str, dict[str, Any]] = {family: {} for family in FAMILIES}
    for standing in ranking.against(ranking.truth):
        seeds, beaten = len(standing.explanation.models), standing.controls_beaten
        content[standing.explanation.family][standing.explanation.name] = {
            "ranks": standing.ranks,
            "average_rank": standing.average_rank.value,
            "average_rank_low_in_resamples": standing.average_rank.low,
            "average_rank_high_in_resamples": standing.average_rank.high,
            "best_in_resamples": standing.best_in_resamples,
            "best_overall_in_resamples": standing.best_overall_in_resamples,
            "clusters": standing.average_rank.clusters,
            "undefined": standing.undefined,
            "seeds": seeds,
            "beats_controls": None if beaten is None else beaten == seeds,
            "seeds_that_beat_controls": beaten,
            "latency_ms": standing.explanation.latency_ms,
            "on_pareto_front": standing.on_front,
            "photographs": {metric: asdict(score) for metric, score in standing.photographs.items()} or None,
        }
    return content


def _rank_lines(ranking: Ranking) -> Iterable[Line]:
    """Yield `RANK_COLUMNS`: of each explanation a line per metric, and one for the average rank; families best first.

    Of the average rank, low and high are a range of resamples.
    """
    order = list(FAMILIES)
    for standing in sorted(
        ranking.against(ranking.truth), key=lambda own: (order.index(own.explanation.family), own.place)
    ):
        name = standing.explanation.family, standing.explanation.name
        for metric, score in standing.scores.items():
            yield *name, metric, standing.ranks[metric], *_fields(score), standing.between_seeds[metric]
        average, *interval = _fields(standing.average_rank)
        yield *name, "average", average, math.nan, *interval, math.nan


def _truth_lines(ranking: Ranking) -> Iterable[Line]:
    """Yield `TRUTHS_COLUMNS`, one line per truth, explanation and metric; after them those of references."""
    for standing in ranking.standings:
        for metric, score in standing.scores.items():
            yield standing.truth, standing.explanation.family, standing.explanation.name, metric, *_fields(score)
    family_of = {standing.explanation.classifier: standing.explanation.family for standing in ranking.standings}
    for bracket in ranking.brackets:
        for kind in (NEAREST_GOOD, SUPERVISED):
            name = f"{bracket.classifier} {kind}"
            for metric, scores in bracket.scores.items():
                if kind in scores:
                    yield bracket.truth, family_of[bracket.classifier], name, metric, *_fields(scores[kind])


def _photograph_lines(ranking: Ranking) -> Iterable[Line]:
    """Yield `TRUTHS_COLUMNS`, one line per truth, explanation and score of photographs that is drawn."""
    for standing in ranking.standings:
        name = standing.truth, standing.explanation.family, standing.explanation.name
        for metric in PHOTOGRAPHS_DRAWN if standing.photographs else ():
            yield *name, metric, *_fields(standing.photographs[metric])


def _latency_lines(ranking: Ranking) -> Iterable[Line]:
    """Yield `LATENCY_COLUMNS`, one line per truth and explanation, in the first metric; true is 1, false 0."""
    metric = ranking.metrics[0]
    for standing in ranking.standings:
        explanation = standing.explanation
        *behind, _ = _fields(standing.behind)
        yield (
            *(standing.truth, explanation.family, explanation.name, explanation.classifier, explanation.explanation),
            *(len(explanation.models), metric, explanation.latency_ms, *_fields(standing.scores[metric])),
            *(int(standing.on_front), standing.place, int(standing.best_of_classifier), standing.controls_beaten),
            *(*behind, standing.told_apart),
        )


def _fields(estimate: Estimate) -> tuple[float, float, float, int]:
    return estimate.value, estimate.low, estimate.high, estimate.clusters
