"""Scores of several explanations on the same tiles, with the resamples that say how sure their differences are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.clusters import tile_sums
from stages.metrics.intervals import Bootstrap, best_shares, percentile_interval, ratio_of_sums
from stages.metrics.ranking import average_ranks

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray]  # what each of n tiles adds: counts in pixels, and scores of single tiles


@dataclass(frozen=True)
class Estimates:
    """M rows in K metrics."""

    values: Floats  # (M, K) the mean over a row's training seeds
    resampled: Floats  # (R, M, K) the same in every resample of clusters
    between_seeds: Floats  # (M, K) standard deviation over training seeds (n - 1); NaN for a single one

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """Low and high end of each value's 95% interval, (M, K) each."""
        low, high = percentile_interval(self.resampled.reshape(len(self.resampled), -1))
        return low.reshape(self.values.shape), high.reshape(self.values.shape)


@dataclass(frozen=True)
class Certainty:
    """What the resamples say of the average rank of M rows."""

    low: Floats  # (M,) 95% interval of the average rank
    high: Floats
    best: Floats  # (M,) probability of having the lowest average rank; shared where rows tie


@dataclass(frozen=True)
class Contest:
    """One metric, CNN rows against ViT rows, on the same tiles."""

    cnn: float
    vit: float
    low: float  # 95% interval of cnn - vit, paired
    high: float
    cnn_wins: float  # probability that the row that is best in a resample, whichever it is, is a CNN's

    @property
    def verdict(self) -> str:
        """Return cnn | vit | undecided: which side of 0 the interval lies on; undecided where it is undefined."""
        return "cnn" if self.low > 0 else "vit" if self.high < 0 else "undecided"


def estimate(rows: Sequence[Sequence[Columns]], metrics: Sequence[str], bootstrap: Bootstrap) -> Estimates:
    """Score M rows in K metrics, on the tiles and on every resample of their clusters.

    Args:
        rows: for each row the columns of each of its training seeds, all for the same n tiles in the same order.
        metrics: names of pixel scores or of columns.
        bootstrap: of these n tiles; all rows share its resamples.
    """
    shape = (len(rows), len(metrics))
    resamples = bootstrap.weights.shape[0]
    values, spread = np.full(shape, math.nan), np.full(shape, math.nan)
    resampled = np.full((resamples, *shape), math.nan)
    for place, seeds in enumerate(rows):
        # (seeds, K) and (R, seeds, K)
        sums = [[tile_sums(metric, columns) for metric in metrics] for columns in seeds]
        above, below = (np.stack([metric[part] for seed in sums for metric in seed], axis=1) for part in (0, 1))
        by_seed = ratio_of_sums(above, below).reshape(len(seeds), -1)
        values[place] = by_seed.mean(axis=0)
        if len(seeds) > 1:
            spread[place] = by_seed.std(axis=0, ddof=1)
        resampled[:, place] = bootstrap.ratios(above, below).reshape(resamples, len(seeds), -1).mean(axis=1)
    return Estimates(values, resampled, spread)


def rank_certainty(resampled: Floats) -> Certainty:
    """Rank the rows anew in every resample (R, M, K); NaN ranks last there as it does in the table.

    All NaN where the resamples are undefined in every row and metric (a single cluster).
    """
    if not resampled.size or np.isnan(resampled).all():
        nothing = np.full(resampled.shape[1], math.nan)
        return Certainty(nothing, nothing, nothing)
    ranks = average_ranks(resampled)
    low, high = percentile_interval(ranks)
    return Certainty(low, high, best_shares(-ranks))


def behind_best(estimates: Estimates, metric: int) -> tuple[Floats, Floats, Floats]:
    """Return how far each of M rows is behind the best one, and the 95% interval of that, paired; (M,) each.

    0 for the best row itself (of equal ones the first); all NaN where no row has a score.
    """
    values, resampled = estimates.values[:, metric], estimates.resampled[:, :, metric]
    if np.isnan(values).all():
        nothing = np.full(len(values), math.nan)
        return nothing, nothing, nothing
    best = int(np.nanargmax(values))
    low, high = percentile_interval(resampled[:, [best]] - resampled)
    return values[best] - values, low, high


def contest(estimates: Estimates, cnn: Sequence[int], vit: Sequence[int], metric: int) -> Contest:
    """Compare the first CNN row with the first ViT row (the best ones, where rows are given best first).

    `cnn_wins` looks at all the rows: it picks the best anew in every resample, as one who ranks does. The two rows were
    picked on the tiles that they are compared on, which flatters both; the interval does not know of that.
    """
    return _contest(estimates, cnn[:1], vit[:1], cnn, vit, metric)


def family_contest(estimates: Estimates, cnn: Sequence[int], vit: Sequence[int], metric: int) -> Contest:
    """Compare the mean of all CNN rows with the mean of all ViT rows; `cnn_wins` as in `contest`."""
    return _contest(estimates, cnn, vit, cnn, vit, metric)


def _contest(
    estimates: Estimates,
    cnn: Sequence[int],
    vit: Sequence[int],
    all_cnn: Sequence[int],
    all_vit: Sequence[int],
    metric: int,
) -> Contest:
    values, resampled = estimates.values[:, metric], estimates.resampled[:, :, metric]
    apart = resampled[:, cnn].mean(axis=1) - resampled[:, vit].mean(axis=1)
    low, high = percentile_interval(apart[:, None])
    wins = float(best_shares(resampled[:, [*all_cnn, *all_vit]])[: len(all_cnn)].sum())
    return Contest(float(values[cnn].mean()), float(values[vit].mean()), float(low[0]), float(high[0]), wins)
