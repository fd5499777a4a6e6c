"""What clusters of tiles add to a score, so that it can be had over any of them: bootstrap, jackknife, or all.

Every metric of `stages.metrics.table` is a function of sums over tiles. `ratio_parts` and `histogram_parts` add those
up once for each cluster (a source image, or a group of them); the score over clusters with weights w is then that of
the weighted sums:

    all tiles        w = 1 for each cluster
    jackknife        w = 1, but 0 for the one left out
    bootstrap        w = how often each cluster was drawn
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.metrics.histograms import Histograms
from stages.metrics.table import METRICS, PixelCounts, PixelHistograms

Floats = NDArray[np.float64]

RESAMPLES_AT_ONCE = 256  # scored together: 6 MB with 1,024 bins


@dataclass(frozen=True)
class ClusterParts:
    """One metric of one explanation, taken apart into what C clusters add to it."""

    names: NDArray  # (C,) of the clusters, sorted
    value: float  # over all tiles
    weights: Floats  # (C,) how much of what the score averages over is the cluster's: pixels or tiles, 0: nothing
    _scores: Callable[[Floats], Floats]

    def scores(self, weights: ArrayLike) -> Floats:
        """Return (R,) the metric in each of R resamples, NaN where it is undefined.

        Args:
            weights: (R, C) 0 or more: how often each cluster counts, in the order of `names`.
        """
        return self._scores(np.asarray(weights, np.float64))

    def without_each(self) -> Floats:
        """Return (C,) the metric with each cluster left out in turn: the jackknife."""
        return self.scores(1 - np.eye(len(self.names)))


def ratio_parts(clusters: ArrayLike, above: ArrayLike, below: ArrayLike) -> ClusterParts:
    """Take a ratio of two sums over tiles apart.

    Args:
        clusters: (n,) name of each tile's cluster.
        above, below: (n,) what each tile adds to numerator and denominator.

    >>> mean = ratio_parts(["a", "a", "b"], [1, 0, 1], [1, 1, 1])
    >>> mean.scores([[1, 1], [0, 1]]).tolist()
    [0.6666666666666666, 1.0]
    """
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    above, below = (_sums(np.asarray(values), codes, len(names)) for values in (above, below))

    def scores(weights: Floats) -> Floats:
        over, under = weights @ above, weights @ below
        return np.divide(over, under, out=np.full(len(weights), np.nan), where=under != 0)

    return ClusterParts(names, float(scores(np.ones((1, len(names))))[0]), below, scores)


def histogram_parts(
    clusters: ArrayLike, metric: PixelHistograms, histograms: Mapping[str, NDArray], exact: float
) -> ClusterParts:
    """Take a score of histograms apart.

    Args:
        clusters: (I,) name of each source image's cluster.
        metric: the score.
        histograms: inside, outside and regions of each image, (I, bins) each (`Histograms`).
        exact: the score over all tiles from histograms without bins. By what the coarse ones miss of it, every
            resample is moved.
    """
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    inside, outside, regions = (_sums(histograms[kind], codes, len(names)) for kind in ("inside", "outside", "regions"))

    def coarse(weights: Floats) -> Floats:
        return metric.of(Histograms(weights @ inside, weights @ outside, weights @ regions))

    missed = exact - float(coarse(np.ones((1, len(names))))[0])

    def scores(weights: Floats) -> Floats:
        pieces = [weights[at : at + RESAMPLES_AT_ONCE] for at in range(0, len(weights), RESAMPLES_AT_ONCE)]
        found = np.concatenate([coarse(piece) for piece in pieces]) if pieces else np.empty(0)
        return np.clip(found + missed, 0, 1)

    return ClusterParts(names, exact, inside.sum(axis=1), scores)


def tile_sums(metric: str, columns: Mapping[str, NDArray]) -> tuple[Floats, Floats]:
    """Return (n,) numerators and denominators whose ratio of sums over tiles is the metric.

    Args:
        metric: of `METRICS`, a pixel score or a mean of tiles; any other name is a mean of the column of that name.
        columns: what each of n tiles adds; NaN in a mean is a tile where it is undefined.

    Raises:
        ValueError: the metric is no ratio of sums over tiles, but made of histograms.
    """
    kind = METRICS.get(metric)
    if isinstance(kind, PixelHistograms):
        raise ValueError(f"{metric} is made of histograms; use histogram_parts")
    if isinstance(kind, PixelCounts):
        counts = np.stack([columns[name] for name in kind.columns], axis=1).astype(np.float64)
        return counts @ np.array(kind.above, np.float64), counts @ np.array(kind.below, np.float64)
    values = np.asarray(columns[metric], np.float64)
    defined = ~np.isnan(values)
    return np.where(defined, values, 0.0), defined.astype(np.float64)


def _sums(values: NDArray, codes: NDArray[np.intp], count: int) -> Floats:
    """(n, ...) -> (count, ...) sums of the rows with each code."""
    sums = np.zeros((count, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums
