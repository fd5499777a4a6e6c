"""Scores of explanations on the same test tiles, and how sure they and the ranks made of them are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.clusters import ClusterParts
from stages.metrics.intervals import MIN_CLUSTERS, UNIT, Jackknife, draw_clusters, resampled_range, shares_of
from stages.ranking.average_ranks import are_best, average_ranks
from stages.ranking.cluster_scores import cluster_parts
from stages.ranking.record import RankedExplanation
from stages.ranking.settings import Rank
from stages.scores.scores import CLUSTERS, Scores

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimates:
    """M explanations in K metrics, each score the mean over the model's training seeds.

    Intervals say how the scores of these trained models vary with the test tiles; how they vary with the training is
    `between_seeds`.
    """

    scores: Jackknife  # (M, K)
    resampled: Floats  # (R, M, K) in every resample of clusters, for ranks
    between_seeds: Floats  # (M, K) standard deviation over training seeds (n - 1); NaN for a single one

    @property
    def values(self) -> Floats:
        """(M, K)."""
        return self.scores.values

    @property
    def clusters(self) -> int:
        """In how many clusters there is something to score: of the metric that has the fewest."""
        return int(self.scores.clusters.max(axis=0).min())


@dataclass(frozen=True)
class RankCertainty:
    """How ranks vary between resamples of clusters; all NaN with fewer than `MIN_CLUSTERS`.

    Shares of resamples, not probabilities: with a dozen clusters they are surer than new boards would make them.
    """

    low: Floats  # (n,) between which average ranks the middle 95% of the resamples are
    high: Floats
    best: Floats  # (n,) share of resamples in which the explanation is best; those that tie share one


def estimate_against(
    truth: str, explanations: Sequence[RankedExplanation], scores: Mapping[str, Scores], rule: Rank
) -> Estimates:
    """Score explanations against one truth by the metrics that count.

    Args:
        truth: boxes | exact.
        explanations: M of them.
        scores: of every model that an explanation names, all of the same test tiles.
        rule: which metrics count, what a cluster is, and how many resamples are drawn.
    """
    column = CLUSTERS[rule.cluster]
    parts = [
        [
            [cluster_parts(metric, scores[model], truth, own.explanation, column) for metric in rule.metrics]
            for model in own.models
        ]
        for own in explanations
    ]
    clusters = scores[explanations[0].classifier].tiles[column].nunique()
    return estimate(parts, draw_clusters(clusters, rule.resamples, rule.seed))


def estimate(
    parts: Sequence[Sequence[Sequence[ClusterParts]]], draws: Floats, bounds: tuple[float, float] = UNIT
) -> Estimates:
    """Score M explanations in K metrics, on all tiles, without each cluster, and on every resample of the clusters.

    Args:
        parts: of each explanation, of each of its training seeds, each metric; all of the same C clusters.
        draws: (R, C) how often each cluster is in each resample; all explanations share them.
        bounds: lowest and highest value that the metrics can have.
    """
    scores, resampled, spread = [], [], []
    for seeds in parts:
        values = np.array([[metric.value for metric in seed] for seed in seeds])  # (seeds, K)
        without = _of_each(seeds, ClusterParts.without_each)  # (C, seeds, K)
        shares = shares_of(_of_each(seeds, lambda metric: metric.weights))
        scores.append(Jackknife(values, without, shares, bounds).mean(axis=0))
        resampled.append(_of_each(seeds, lambda metric: metric.scores(draws)).mean(axis=1))
        spread.append(values.std(axis=0, ddof=1) if len(seeds) > 1 else np.full(values.shape[1], math.nan))
    together = Jackknife(
        np.stack([score.values for score in scores]),
        np.stack([score.without for score in scores], axis=1),
        np.stack([score.shares for score in scores], axis=1),
        bounds,
    )
    return Estimates(together, np.stack(resampled, axis=1), np.stack(spread))


def rank_certainty(estimates: Estimates, places: Sequence[int]) -> RankCertainty:
    """Rank n of the explanations anew in every resample; NaN ranks last there as it does in the table."""
    if estimates.clusters < MIN_CLUSTERS:
        nothing = np.full(len(places), math.nan)
        return RankCertainty(nothing, nothing, nothing)
    resampled = estimates.resampled[:, places]
    low, high = resampled_range(average_ranks(resampled))
    best = are_best(resampled)
    return RankCertainty(low, high, (best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def _of_each(seeds: Sequence[Sequence[ClusterParts]], of: Callable[[ClusterParts], Floats]) -> Floats:
    """Return (n, seeds, K) what a function gives (n,) of each seed's metrics."""
    return np.stack([np.stack([of(metric) for metric in seed], axis=-1) for seed in seeds], axis=1)
