"""Scores of whole photographs, with intervals over the same clusters as all others; beside those that count."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stages.metrics.froc import OF_PHOTOGRAPHS
from stages.ranking.cluster_scores import parts_of_photographs
from stages.ranking.estimates import estimate
from stages.ranking.record import Estimate, RankedExplanation, Standing
from stages.ranking.settings import Rank
from stages.scores.scores import CLUSTERS, Scores


def with_photographs(standings: Sequence[Standing], scores: Mapping[str, Scores], rule: Rank) -> list[Standing]:
    """Return standings with the scores of photographs, as far as there are some."""
    return [replace(own, photographs=_estimates(own.truth, own.explanation, scores, rule)) for own in standings]


def _estimates(truth: str, ranked: RankedExplanation, scores: Mapping[str, Scores], rule: Rank) -> dict[str, Estimate]:
    seeds = [scores[model].photographs for model in ranked.models]
    known = [own for own in seeds if own is not None and (truth, ranked.explanation) in own.explanations]
    if not known or len(known) < len(seeds):
        return {}
    column = CLUSTERS[rule.cluster]
    parts = [
        [parts_of_photographs(metric, own, truth, ranked.explanation, column) for metric in OF_PHOTOGRAPHS]
        for own in known
    ]
    found = estimate([parts], np.empty((0, len(parts[0][0].names)))).scores[0]
    (low, high), clusters = found.interval(), found.clusters
    return {
        metric: Estimate(float(found.values[at]), float(low[at]), float(high[at]), int(clusters[at]))
        for at, metric in enumerate(OF_PHOTOGRAPHS)
    }
