"""How sure a score is: the bootstrap over clusters of tiles (Efron & Tibshirani 1993, chapters 8 and 13).

Tiles of one image, and images of one board, resemble each other, so they are drawn together: a resample draws as many
clusters as there are, with replacement, and takes all their tiles (Davison & Hinkley 1997, section 3.8, "strategy 1").
Models are compared on the same resamples (paired), so what makes an image hard for all of them cancels out.

Every score here is a ratio of two sums over tiles: pooled pixel scores (2 TP over 2 TP + FP + FN) and means (a sum
over how many are defined). A resample of any of them is a product of weights and sums per cluster; no tile is copied.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """C clusters of n tiles, drawn R times."""

    codes: NDArray[np.intp]  # (n,) cluster of each tile, 0..C-1
    weights: NDArray[np.float64]  # (R, C) how often each cluster is in each resample; every row sums to C

    def ratios(self, numerators: ArrayLike, denominators: ArrayLike) -> Floats:
        """Return the ratio of sums in every resample.

        Args:
            numerators, denominators: (n, J) what each tile adds to the sums of J scores.

        Returns:
            (R, J) sum of numerators / sum of denominators over the tiles drawn. NaN where a resample's denominator is
            0, and everywhere for a score whose denominator is not 0 in fewer than two clusters: nothing varies then.
        """
        above, below = (self._cluster_sums(np.asarray(sums, np.float64)) for sums in (numerators, denominators))
        drawn_above, drawn_below = self.weights @ above, self.weights @ below
        defined = (drawn_below != 0) & ((below != 0).sum(axis=0) > 1)
        return np.divide(drawn_above, drawn_below, out=np.full(drawn_above.shape, math.nan), where=defined)

    def _cluster_sums(self, values: Floats) -> Floats:
        """(n, J) -> (C, J)."""
        count = self.weights.shape[1]
        sums = [np.bincount(self.codes, weights=column, minlength=count) for column in values.T]
        return np.stack(sums, axis=1) if sums else np.empty((count, 0))


def cluster_bootstrap(clusters: ArrayLike, resamples: int, seed: int) -> Bootstrap:
    """Draw resamples of clusters.

    Args:
        clusters: (n,) name of the cluster (image or group) of each tile; the same names in another order of tiles give
            the same resamples.
        resamples: how many.
        seed: of the draws.
    """
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    count = len(names)
    if not count:
        return Bootstrap(codes.astype(np.intp), np.empty((resamples, 0)))
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return Bootstrap(codes.astype(np.intp), draws.astype(np.float64))


def ratio_of_sums(numerators: ArrayLike, denominators: ArrayLike) -> Floats:
    """Return (J,) the ratios of the sums of (n, J) over the tiles themselves; NaN where the denominator is 0."""
    above, below = (np.asarray(sums, np.float64).sum(axis=0) for sums in (numerators, denominators))
    return np.divide(above, below, out=np.full(above.shape, math.nan), where=below != 0)


def mean_sums(values: ArrayLike) -> tuple[Floats, Floats]:
    """Return numerators and denominators whose ratio of sums is the mean of the defined (n, J) values."""
    values = np.asarray(values, np.float64)
    defined = ~np.isnan(values)
    return np.where(defined, values, 0.0), defined.astype(np.float64)


def percentile_interval(values: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the percentile interval of (R, J) resampled scores: two arrays (J,), low and high.

    Over the resamples in which the score is defined; NaN where it is in none.
    """
    low, high = np.full((2, values.shape[1]), math.nan)
    known = ~np.isnan(values).all(axis=0)
    if known.any():
        low[known], high[known] = np.nanquantile(values[:, known], ((1 - level) / 2, (1 + level) / 2), axis=0)
    return low, high


def best_shares(values: Floats) -> Floats:
    """Return (M,) in which share of the resamples (R, M) each of M rows is the highest: the probability of being best.

    Rows that tie for the highest share the resample; NaN is never highest; resamples in which all are NaN are left
    out. The shares sum to 1, or are all NaN where no resample is left.
    """
    known = np.where(np.isnan(values), -np.inf, values)
    top = known.max(axis=1, keepdims=True, initial=-np.inf)
    played = np.isfinite(top[:, 0])
    if not played.any():
        return np.full(values.shape[1], math.nan)
    highest = (known == top)[played]
    shares: Floats = (highest / highest.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
