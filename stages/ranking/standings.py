"""From scores to standings: which explanations are ranked, and how they stand against a truth."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from stages.ranking.average_ranks import average_ranks, best_first, merged_order, metric_ranks
from stages.ranking.differences import behind_first, told_apart
from stages.ranking.estimates import Estimates, rank_certainty
from stages.ranking.pareto import pareto_front
from stages.ranking.record import FAMILIES, Estimate, RankedExplanation, Standing
from stages.records.paths import metrics_file
from stages.runtime.errors import InputError
from stages.scores.scores import Explanation, Scores


def explanations_to_rank(
    scores: Mapping[str, Scores],
    seeds: Mapping[str, Sequence[str]],
    families: Mapping[str, str],
    methods: str,
    times: Mapping[str, Mapping[str, Any]],
) -> list[RankedExplanation]:
    """Name what is ranked: of each model its own method, or every method; never a control or a reference.

    Args:
        scores: of every model.
        seeds: model -> itself and its repeats under other seeds.
        families: model -> cnn | vit.
        methods: own | all.
        times: model -> content of metrics/time/<model>.json.

    Raises:
        InputError: a repeat has no such explanation, or none was timed.
    """
    ranked = []
    for model, models in seeds.items():
        for key, explanation in scores[model].rows.items():
            if explanation.beside or not (explanation.own or methods == "all"):
                continue
            for seed in models:
                if key not in scores[seed].rows:
                    raise InputError(f"{scores[seed].folder}: has no {key}, which {model} has; explain it again")
            name = f"{model}_{key}"
            if explanation.own:
                name = model if explanation.fusion == explanation.method else f"{model}_f{explanation.fusion}"
            latency_ms = median(_measured_ms(seed, scores[seed].rows[key], times[seed]) for seed in models)
            ranked.append(RankedExplanation(name, families[model], tuple(models), key, latency_ms))
    return ranked


def standings_against(
    truth: str,
    metrics: Sequence[str],
    explanations: Sequence[RankedExplanation],
    estimates: Estimates,
    scores: Mapping[str, Scores],
) -> list[Standing]:
    """Return how M explanations stand against one truth, in the order given.

    Args:
        truth: boxes | exact.
        metrics: K metrics that count.
        explanations: M of them.
        estimates: (M, K) their scores against this truth.
        scores: of every model, for its controls.
    """
    values = estimates.values
    every_family = ([at for at, own in enumerate(explanations) if own.family == family] for family in FAMILIES)
    places = [family for family in every_family if family]
    in_family = {at: ranks for family in places for at, ranks in _ranks_in_family(family, estimates, metrics).items()}
    order = merged_order(values, [[family[at] for at in best_first(values[family])] for family in places])
    best_of = {explanations[at].classifier: at for at in reversed(order)}
    best_overall = rank_certainty(estimates, range(len(explanations))).best
    front = pareto_front(values[:, 0], np.array([own.latency_ms for own in explanations]))
    behind = behind_first(estimates, order[0], 0)
    (low, high), clusters = estimates.scores.interval(), estimates.scores.clusters
    return [
        Standing(
            truth=truth,
            explanation=explanation,
            scores={
                metric: Estimate(float(values[at, k]), float(low[at, k]), float(high[at, k]), int(clusters[at, k]))
                for k, metric in enumerate(metrics)
            },
            between_seeds={metric: float(estimates.between_seeds[at, k]) for k, metric in enumerate(metrics)},
            **in_family[at],
            best_overall_in_resamples=float(best_overall[at]),
            place=order.index(at) + 1,
            best_of_classifier=best_of[explanation.classifier] == at,
            on_front=bool(front[at]),
            controls_beaten=_controls_beaten(explanation, truth, scores),
            behind=behind[at],
            told_apart="" if at == order[0] else told_apart(behind[at]),
        )
        for at, explanation in enumerate(explanations)
    ]


def _ranks_in_family(family: Sequence[int], estimates: Estimates, metrics: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return place -> what a standing says of ranks among the explanations of one family, which are at n places."""
    values = estimates.values[family]
    ranks, averages, certainty = metric_ranks(values), average_ranks(values), rank_certainty(estimates, family)
    return {
        place: {
            "ranks": {metric: int(ranks[at, k]) for k, metric in enumerate(metrics)},
            "average_rank": Estimate(
                float(averages[at]), float(certainty.low[at]), float(certainty.high[at]), estimates.clusters
            ),
            "best_in_resamples": float(certainty.best[at]),
        }
        for at, place in enumerate(family)
    }


def _controls_beaten(explanation: RankedExplanation, truth: str, scores: Mapping[str, Scores]) -> int | None:
    """Return in how many seeds the explanation beats every control; None where one has nothing to compare with."""
    beats = [scores[seed].rows[explanation.explanation].beats_controls.get(truth) for seed in explanation.models]
    known = [beaten for beaten in beats if beaten is not None]
    return sum(known) if len(known) == len(beats) else None


def _measured_ms(model: str, explanation: Explanation, times: Mapping[str, Any]) -> float:
    """Return the time of one image with an explanation in the setting that was chosen for this model."""
    discard = f"{explanation.discard:g}"
    try:
        return float(times[model]["settings"][explanation.method][explanation.fusion][discard]["median_ms"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{metrics_file('time', model)}: nothing measured of {explanation.method}, fusion {explanation.fusion}, "
            f"discard {discard} ({error!r}); run the time stage again"
        ) from None
