"""What clusters of tiles add to a score, so that it can be had over any of them: bootstrap, jackknife, or all.

Every metric of `stages.metrics.table` is a function of sums over tiles. `cluster_parts` adds those up once for each
cluster (a source image, or a group of them); the score over clusters with weights w is then that of the weighted sums:

    all tiles        w = 1 for each cluster
    jackknife        w = 1, but 0 for the one left out
    bootstrap        w = how often each cluster was drawn
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stages.metrics.histograms import Histograms
from stages.metrics.table import METRICS, PixelCounts, PixelHistograms

Floats = NDArray[np.float64]

RESAMPLES_AT_ONCE = 256  # scored together: 6 MB with 1,024 bins


class Kept(Protocol):
    """What is kept of a model's scores: `stages.scores.scores.Scores`."""

    @property
    def tiles(self) -> pd.DataFrame:
        """n test tiles, with columns source and group."""

    def columns(self, truth: str, row: str) -> Mapping[str, NDArray]:
        """Return what each of the n tiles adds to counts and means."""

    def histograms(self, truth: str, row: str, scale: str) -> tuple[NDArray, Mapping[str, NDArray]]:
        """Return the names of I source images, and inside, outside and regions of each, (I, bins)."""

    def pooled(self, truth: str, row: str) -> Mapping[str, float]:
        """Return the exact scores of the histograms of all tiles."""


@dataclass(frozen=True)
class ClusterParts:
    """One metric of one explanation, taken apart into what C clusters add to it."""

    names: NDArray  # (C,) of the clusters, sorted
    value: float  # over all tiles
    weights: Floats  # (C,) how much of what the score averages over is the cluster's: pixels or tiles, 0: nothing
    _scores: Callable[[Floats], Floats]

    @property
    def adds(self) -> NDArray[np.bool_]:
        """(C,) whether the cluster adds to what the score is defined by; with one, nothing varies."""
        return self.weights > 0

    def scores(self, weights: ArrayLike) -> Floats:
        """Return (R,) the metric in each of R resamples, NaN where it is undefined.

        Args:
            weights: (R, C) 0 or more: how often each cluster counts, in the order of `names`.
        """
        return self._scores(np.asarray(weights, np.float64))

    def without_each(self) -> Floats:
        """Return (C,) the metric with each cluster left out in turn: the jackknife."""
        return self.scores(1 - np.eye(len(self.names)))


def cluster_parts(metric: str, kept: Kept, truth: str, row: str, cluster: str) -> ClusterParts:
    """Take one metric of one explanation apart.

    A score of histograms is made of coarse ones (`stages.metrics.histograms.quantile_bins`), which miss the exact
    score by less than 0.001. By what they miss it on all tiles, every resample is moved.

    Args:
        metric: of `METRICS`.
        truth, row: which explanation against which truth.
        cluster: column of `kept.tiles` that names the cluster of a tile: "source" or "group".

    Raises:
        KeyError: there is no such metric, or no such column.
    """
    own = METRICS[metric]
    tiles = kept.tiles
    if isinstance(own, PixelHistograms):
        sources, parts = kept.histograms(truth, row, own.scale)
        of = tiles.drop_duplicates("source").set_index("source")[cluster] if cluster != "source" else None
        names, codes = np.unique(sources if of is None else of.loc[sources].to_numpy(), return_inverse=True)
        sums = Histograms(*(_sums(parts[name], codes, len(names)) for name in ("inside", "outside", "regions")))
        return _of_histograms(names, own, sums, kept.pooled(truth, row)[metric])
    return ratio_parts(tiles[cluster], *tile_sums(metric, kept.columns(truth, row)))


def ratio_parts(clusters: ArrayLike, above: ArrayLike, below: ArrayLike) -> ClusterParts:
    """Take a ratio of two sums over n tiles apart: numerators and denominators (n,), and the tiles' clusters (n,)."""
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    return _of_ratio(names, *(_sums(np.asarray(part), codes, len(names)) for part in (above, below)))


def tile_sums(metric: str, columns: Mapping[str, NDArray]) -> tuple[Floats, Floats]:
    """Return (n,) numerators and denominators whose ratio of sums over tiles is the metric.

    Args:
        metric: of `METRICS`, a pixel score or a mean of tiles; any other name is a mean of the column of that name.
        columns: what each of n tiles adds; NaN in a mean is a tile where it is undefined.

    Raises:
        ValueError: the metric is no ratio of sums over tiles, but made of histograms.
    """
    own = METRICS.get(metric)
    if isinstance(own, PixelHistograms):
        raise ValueError(f"{metric} is made of histograms; use cluster_parts")
    if isinstance(own, PixelCounts):
        counts = np.stack([columns[name] for name in own.columns], axis=1).astype(np.float64)
        return counts @ np.array(own.above, np.float64), counts @ np.array(own.below, np.float64)
    values = np.asarray(columns[metric], np.float64)
    defined = ~np.isnan(values)
    return np.where(defined, values, 0.0), defined.astype(np.float64)


def _of_ratio(names: NDArray, above: Floats, below: Floats) -> ClusterParts:
    def scores(weights: Floats) -> Floats:
        over, under = weights @ above, weights @ below
        return np.divide(over, under, out=np.full(len(weights), np.nan), where=under != 0)

    return ClusterParts(names, float(scores(np.ones((1, len(names))))[0]), below, scores)


def _of_histograms(names: NDArray, metric: PixelHistograms, sums: Histograms, exact: float) -> ClusterParts:
    def coarse(weights: Floats) -> Floats:
        return metric.of(Histograms(weights @ sums.inside, weights @ sums.outside, weights @ sums.regions))

    missed = exact - float(coarse(np.ones((1, len(names))))[0])

    def scores(weights: Floats) -> Floats:
        pieces = [weights[at : at + RESAMPLES_AT_ONCE] for at in range(0, len(weights), RESAMPLES_AT_ONCE)]
        found = np.concatenate([coarse(piece) for piece in pieces]) if pieces else np.empty(0)
        return np.clip(found + missed, 0, 1)

    return ClusterParts(names, exact, sums.inside.sum(axis=1), scores)


def _sums(values: NDArray, codes: NDArray[np.intp], count: int) -> Floats:
    """(n, ...) -> (count, ...) sums of the rows with each code."""
    sums = np.zeros((count, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums
