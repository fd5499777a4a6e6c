"""Scores of several explanations on the same tiles, and how sure their differences are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.clusters import ClusterParts
from stages.metrics.intervals import (
    MIN_CLUSTERS,
    UNIT,
    Jackknife,
    resampled_range,
    shares_of,
)
from stages.ranking.ranks import average_ranks, best_rows

TOO_FEW, UNDECIDED, UNDEFINED = "too few", "undecided", "undefined"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimates:
    """M rows in K metrics, each the mean over the row's training seeds.

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
        return int(self.scores.clusters.max(axis=0).min()) if self.values.size else 0


@dataclass(frozen=True)
class RankCertainty:
    """How ranks vary between resamples of clusters; all NaN with fewer than `MIN_CLUSTERS`.

    Shares of resamples, not probabilities: with a dozen clusters they are surer than new boards would make them.
    """

    low: Floats  # (M,) between which average ranks the middle 95% of the resamples are
    high: Floats
    best: Floats  # (M,) share of resamples in which the row is the best by `best_rows`; rows that tie share one


@dataclass(frozen=True)
class Contest:
    """One metric of the same CNN and the same ViT throughout, on the same tiles."""

    cnn: float
    vit: float
    low: float  # 95% interval of cnn - vit, paired; NaN with fewer than two clusters
    high: float
    cnn_wins: float  # how surely the CNN's is higher: 0.975 where the interval just excludes 0
    clusters: int

    @property
    def verdict(self) -> str:
        """Return which side is better.

        cnn | vit (the interval lies on that side of 0) | undecided | too few (clusters to name a winner) | undefined
        (one of the two has no score).
        """
        if math.isnan(self.cnn - self.vit):
            return UNDEFINED
        if self.clusters < MIN_CLUSTERS:
            return TOO_FEW
        return "cnn" if self.low > 0 else "vit" if self.high < 0 else UNDECIDED

    @property
    def content(self) -> dict[str, float | int | str]:
        """Return what metrics/rank.json says of it; all of the same two sides."""
        return {
            "cnn_value": self.cnn,
            "vit_value": self.vit,
            "value": self.cnn - self.vit,
            "low": self.low,
            "high": self.high,
            "clusters": self.clusters,
            "cnn_wins_probability": self.cnn_wins,
            "better": self.verdict,
        }

    def __str__(self) -> str:
        """Return cnn - vit [low, high]."""
        if math.isnan(self.cnn - self.vit):
            return UNDEFINED
        interval = "no interval" if math.isnan(self.low) else f"{self.low:+.3f}, {self.high:+.3f}"
        return f"{self.cnn - self.vit:+.3f} [{interval}]"


@dataclass(frozen=True)
class Behind:
    """How far each of M rows is behind one of them, paired; 0 for that one itself."""

    value: Floats
    low: Floats
    high: Floats
    clusters: NDArray[np.int64]

    @property
    def told_apart(self) -> list[str]:
        """Return yes (the interval excludes 0) | no | too few (clusters to say), for each row.

        "" where there is no difference, or none with an interval: the two share fewer than two clusters.
        """
        said = np.where((self.low > 0) | (self.high < 0), "yes", "no")
        said = np.where(self.clusters < MIN_CLUSTERS, TOO_FEW, said)
        unsaid = np.isnan(self.value) | (np.isnan(self.low) & (self.clusters >= MIN_CLUSTERS))
        return [str(own) for own in np.where(unsaid, "", said)]


def estimate(
    rows: Sequence[Sequence[Sequence[ClusterParts]]], draws: Floats, bounds: tuple[float, float] = UNIT
) -> Estimates:
    """Score M rows in K metrics, on all tiles, without each cluster, and on every resample of the clusters.

    Args:
        rows: of each row, of each of its training seeds, each metric; all of the same C clusters.
        draws: (R, C) how often each cluster is in each resample; all rows share them.
        bounds: lowest and highest value that the metrics can have.
    """
    if not rows:
        nothing = np.empty((0, 0))
        return Estimates(Jackknife(nothing, nothing[None], nothing[None]), nothing[None], nothing)
    scores, resampled, spread = [], [], []
    for seeds in rows:
        values = np.array([[own.value for own in seed] for seed in seeds])  # (seeds, K)
        without, weights, drawn = (
            np.stack([np.stack([part(own) for own in seed], axis=-1) for seed in seeds], axis=1)
            for part in (ClusterParts.without_each, lambda own: own.weights, lambda own: own.scores(draws))
        )
        scores.append(Jackknife(values, without, shares_of(weights), bounds).mean(axis=0))
        resampled.append(drawn.mean(axis=1))
        spread.append(values.std(axis=0, ddof=1) if len(seeds) > 1 else np.full(values.shape[1], math.nan))
    together = Jackknife(
        np.stack([own.values for own in scores]),
        np.stack([own.without for own in scores], axis=1),
        np.stack([own.shares for own in scores], axis=1),
        bounds,
    )
    return Estimates(together, np.stack(resampled, axis=1), np.stack(spread))


def rank_certainty(estimates: Estimates, rows: Sequence[int]) -> RankCertainty:
    """Rank some of the rows anew in every resample; NaN ranks last there as it does in the table."""
    if not len(rows) or estimates.clusters < MIN_CLUSTERS:
        nothing = np.full(len(rows), math.nan)
        return RankCertainty(nothing, nothing, nothing)
    resampled = estimates.resampled[:, rows]
    low, high = resampled_range(average_ranks(resampled))
    best = best_rows(resampled)
    return RankCertainty(low, high, (best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def behind(estimates: Estimates, first: int, metric: int) -> Behind:
    """Return how far each row is behind the row `first` in a metric; below 0 where it is ahead."""
    own = estimates.scores[:, metric]
    apart = own[[first]] - own
    low, high = apart.interval()
    low[first] = high[first] = apart.values[first]  # the row itself: surely the same
    return Behind(apart.values, low, high, apart.clusters)


def contest(estimates: Estimates, cnn: Sequence[int], vit: Sequence[int], metric: int) -> Contest:
    """Compare the mean of CNN rows with the mean of ViT rows; of one row each, these two.

    Rows that were picked because they are best on these tiles are flattered by that; the interval does not know of it.
    """
    sides = [estimates.scores[list(rows), metric].mean(axis=0) for rows in (cnn, vit)]
    apart = sides[0] - sides[1]
    low, high = apart.interval()
    values = [float(side.values) for side in sides]
    return Contest(values[0], values[1], float(low), float(high), float(apart.above_zero()), int(apart.clusters))


def contests_line(contests: Mapping[str, Contest]) -> str:
    """Return contests by metric as text, with the least number of clusters that one of the defined rests on."""
    said = ", ".join(f"{name.replace('_', ' ')} {own}" for name, own in contests.items())
    defined = [own.clusters for own in contests.values() if own.verdict != UNDEFINED]
    if not defined:
        return said
    clusters = min(defined)
    few = f", too few to name the better one: below {MIN_CLUSTERS}" if clusters < MIN_CLUSTERS else ""
    return f"{said} (clusters: {clusters}{few})"
