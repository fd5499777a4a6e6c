"""Where the maps of each model stand between its references: a detector without any defect, and one with annotation.

    own_of_supervised           own / supervised: what labels alone reach of what annotation would give this network
    nearest_good_of_supervised  nearest_good / supervised: what no defect at all reaches of it
    between                     (own - nearest_good) / (supervised - nearest_good): 0 at the one, 1 at the other

each of one score, on the same test tiles, with intervals of ratios (`stages.metrics.ratios`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.metrics.intervals import MIN_CLUSTERS, Jackknife
from stages.metrics.ratios import ratio
from stages.ranking.cluster_scores import cluster_parts
from stages.ranking.estimates import estimate
from stages.ranking.record import NEAREST_GOOD, OWN, SUPERVISED, Bracket, Estimate, Standing
from stages.ranking.settings import Rank
from stages.scores.scores import CLUSTERS, Scores

AGAINST = {"boxes": "boxes", "exact": "exact masks"}


def brackets_of(standings: Sequence[Standing], scores: Mapping[str, Scores], rule: Rank) -> tuple[Bracket, ...]:
    """Return a bracket for each truth and classifier, around its best explanation; none where no one asked for any.

    Args:
        standings: against every truth.
        scores: of every model.
        rule: which metrics count, and what a cluster is.
    """
    best = [standing for standing in standings if standing.best_of_classifier]
    return tuple(
        _bracket(standing, scores, rule) for standing in best if _asked(scores[standing.explanation.classifier])
    )


def verdict_of(brackets: Sequence[Bracket], standings: Mapping[str, Sequence[Standing]], metric: str) -> dict[str, Any]:
    """Return what metrics/rank.json says as `verdict.references`: around the best line by each truth, and in words.

    Args:
        brackets: as `brackets_of` returns them.
        standings: truth -> of all explanations.
        metric: the first that counts, which the sentence is about.

    Returns:
        Nothing where there are no brackets.
    """
    content: dict[str, Any] = {}
    words = []
    for truth, ranked in standings.items():
        first = min(ranked, key=lambda standing: standing.place).explanation.classifier
        for bracket in brackets:
            if (bracket.truth, bracket.classifier) == (truth, first):
                content[truth] = _content(bracket)
                words.append(sentence_of(bracket, metric, taught_otherwise=truth == "boxes" and "exact" in standings))
    return content | {"sentence": " ".join(words)} if content else {}


def sentence_of(bracket: Bracket, metric: str, taught_otherwise: bool = False) -> str:
    """Return what labels alone reach of what annotation would give, and what no defect at all reaches, in one sentence.

    A reference that is left out is said with its reason.

    Args:
        bracket: of the best explanation.
        metric: which of its scores.
        taught_otherwise: the supervised network was taught by exact masks, and this truth is boxes.
    """
    places = bracket.places[metric]
    where = f"By {AGAINST[bracket.truth]}, in {metric.replace('_', ' ')}: "
    lost = [f"there is no {name} ({reason})" for name, reason in bracket.left_out.items()]
    said = []
    if SUPERVISED in bracket.scores[metric]:
        own = places["own_of_supervised"]
        said.append(f"labels alone ({bracket.line}) reach {_words(own)} of what annotation would give")
        if NEAREST_GOOD in bracket.scores[metric]:
            said.append(
                f"an anomaly detector without any defect reaches {_words(places['nearest_good_of_supervised'])}"
            )
            between = places["between"]
            said.append(
                "annotation gives no more than that detector"
                if np.isnan(between.value)
                else f"between the two the map stands at {_words(between)}"
                if not _too_close(between)
                else "the two are too close to say where between them the map stands"
            )
        if taught_otherwise:
            said.append("annotation here is exact masks, which have not the margins of boxes")
    elif NEAREST_GOOD in bracket.scores[metric]:
        own, detector = (bracket.scores[metric][kind] for kind in (OWN, NEAREST_GOOD))
        said.append(f"labels alone ({bracket.line}) reach {own.value:.3f}")
        said.append(f"an anomaly detector without any defect {detector.value:.3f}")
    return where + "; ".join(said + lost) + "."


def _asked(scores: Scores) -> bool:
    return bool(scores.left_out) or any(row.reference for row in scores.rows.values())


def _bracket(standing: Standing, scores: Mapping[str, Scores], rule: Rank) -> Bracket:
    explanation, truth = standing.explanation, standing.truth
    seeds = [scores[model] for model in explanation.models]
    kinds = {OWN: explanation.explanation} | {
        kind: kind for kind in (NEAREST_GOOD, SUPERVISED) if all(kind in own.rows for own in seeds)
    }
    column = CLUSTERS[rule.cluster]
    parts = [
        [[cluster_parts(metric, own, truth, row, column) for metric in rule.metrics] for own in seeds]
        for row in kinds.values()
    ]
    found = estimate(parts, np.empty((0, seeds[0].tiles[column].nunique()))).scores
    (low, high), clusters = found.interval(), found.clusters
    return Bracket(
        truth=truth,
        classifier=explanation.classifier,
        line=explanation.name,
        scores={
            metric: {
                kind: Estimate(float(found.values[at, k]), float(low[at, k]), float(high[at, k]), int(clusters[at, k]))
                for at, kind in enumerate(kinds)
            }
            for k, metric in enumerate(rule.metrics)
        },
        perfect={metric: _perfect(metric, truth, seeds) for metric in rule.metrics},
        places={
            metric: _places({kind: found[at, k] for at, kind in enumerate(kinds)})
            for k, metric in enumerate(rule.metrics)
        },
        left_out={name: reason for own in reversed(seeds) for name, reason in sorted(own.left_out.items())},
    )


def _places(of_kind: Mapping[str, Jackknife]) -> dict[str, Estimate]:
    """Return the three fractions of one score, of those kinds that there are; undefined is NaN."""
    if SUPERVISED not in of_kind:
        return {}
    own, supervised = of_kind[OWN], of_kind[SUPERVISED]
    found = {"own_of_supervised": _estimate(own, supervised)}
    if NEAREST_GOOD in of_kind:
        nearest = of_kind[NEAREST_GOOD]
        found["nearest_good_of_supervised"] = _estimate(nearest, supervised)
        found["between"] = _estimate(own - nearest, supervised - nearest)
    return found


def _estimate(above: Jackknife, below: Jackknife) -> Estimate:
    value, low, high = ratio(above, below)
    return Estimate(float(value), float(low), float(high), int(min(above.clusters, below.clusters)))


def _perfect(metric: str, truth: str, seeds: Sequence[Scores]) -> float:
    values = [own.perfect.get(truth, {}).get(metric) for own in seeds]
    return float(np.mean([np.nan if value is None else value for value in values]))


def _content(bracket: Bracket) -> dict[str, Any]:
    """Return the line, and metric -> scores, the perfect map, fractions; a reference that is left out is null."""
    content: dict[str, Any] = {"line": bracket.line, "left_out": bracket.left_out}
    for metric, scores in bracket.scores.items():
        lost = dict.fromkeys(bracket.left_out)
        fractions = {name: vars(place) for name, place in bracket.places[metric].items()}
        content[metric] = {kind: score.value for kind, score in scores.items()} | lost | fractions
        content[metric]["perfect_map"] = bracket.perfect[metric]
    return content


def _too_close(between: Estimate) -> bool:
    return bool(np.isnan(between.low)) and between.clusters >= MIN_CLUSTERS


def _words(place: Estimate) -> str:
    if np.isnan(place.value):
        return "an undefined share"
    if np.isnan(place.low) or place.clusters < MIN_CLUSTERS:
        return f"{place.value:.2f} (no interval)"
    return f"{place.value:.2f} ({place.low:.2f} to {place.high:.2f})"
