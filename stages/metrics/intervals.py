"""How sure a score is, from how it changes when clusters of tiles are left out or drawn again.

Tiles of one image, and images of one board, resemble each other; what varies independently is the cluster (image or
group). Rows are compared on the same clusters (paired), so what makes an image hard for all of them cancels out.

Intervals: the jackknife over clusters. A score s of C clusters is computed anew without each of them, s_(i), and

    se^2 = (C - 1) / C  sum_i (s_(i) - mean_i s_(i))^2       (Tukey 1958; Efron & Tibshirani 1993, chapter 11)

serves ratios of sums, means, scores of histograms and paired differences alike, without chance. The interval is that of
Student's t with G - 1 degrees of freedom, where G = 1 / sum_i w_i^2 is the number of equally large clusters that would
vary as much as ours, whose shares of the score's denominator are w_i (Kish 1965; Carter, Schnepel & Steigerwald 2017,
"Asymptotic behavior of a t-test robust to cluster heterogeneity"; G - 1 as MacKinnon & Webb 2017 do). It is laid out on
the logit of the score between its bounds by the delta method, so it never leaves them.

Clusters without a share of the denominator count for neither G nor C. Where the score depends on them all the same, as
average precision does on good images, which have no true pixel, their (s_(i) - s)^2 are added to the sum.

Where all clusters agree exactly (every tile hit), the spread is 0 and says nothing; nor does it where the score is at a
bound. Then clusters that differ may still be as many as 1 - 0.025^(1/C) (Clopper & Pearson 1934 for 0 of C), and the
interval is what the score would be if these lay at a bound.

How often such intervals hold the truth: `python -m tests.benchmarks.coverage`. The percentile bootstrap over clusters,
which is common for this, held it in half to four fifths of the cases with 5 clusters and in 80 to 92% with 12; so it is
kept for ranks alone, which have no interval of this kind (`draw_clusters`).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, stdtr, stdtrit

LEVEL = 0.95
MIN_CLUSTERS = 5  # fewer clusters name no winner: an interval of 3 or 4 spans most of what a score can be
NO_SPREAD = 1e-9  # a standard error below this is rounding: the clusters agree
LEAST_FREEDOM = 1e-3  # of Student's t, when one cluster is nearly all: the interval is then all that a score can be
UNIT = (0.0, 1.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Jackknife:
    """Scores, and what they are without each of C clusters. The shape (...) of the scores is any.

    The same scores of several rows, as differences of them, stay paired: cluster i is left out of all.
    """

    values: Floats  # (...)
    without: Floats  # (C, ...) NaN where the score is undefined without that cluster
    shares: (
        Floats  # (C, ...) of each cluster in what the score averages over, their sum is 1; NaN where that is nothing
    )
    bounds: tuple[float, float] = UNIT  # lowest and highest value that the scores can have; the highest may be inf

    @property
    def clusters(self) -> NDArray[np.int64]:
        """(...) in how many clusters there is something to score."""
        count: NDArray[np.int64] = (self.shares > 0).sum(axis=0)
        return count

    def interval(self, level: float = LEVEL) -> tuple[Floats, Floats]:
        """Return the low and the high end of each score's interval, (...) each; NaN with fewer than two clusters."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            place, spread = self._in_unit()
            reach = stdtrit(self._freedom, (1 + level) / 2) * spread / (place * (1 - place))
            low, high = expit(logit(place) - reach), expit(logit(place) + reach)
            other = 1 - ((1 - level) / 2) ** (1 / self.clusters)  # share of clusters that may be otherwise
            agree = _nothing_to_go_by(place, spread)
            low, high = np.where(agree, place * (1 - other), low), np.where(agree, place + other * (1 - place), high)
            known = ~np.isnan(self.values) & ~np.isnan(spread)
            return self._outside(np.where(known, low, math.nan)), self._outside(np.where(known, high, math.nan))

    def above_zero(self) -> Floats:
        """Return (...) how surely differences (bounds -b and b) are above 0; 0.975 where an interval begins at 0.

        That is (1 + L) / 2 of the interval of level L whose low end is 0, or 1 minus that where the high end is. NaN
        where there is no interval.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            place, spread = self._in_unit()
            sure = stdtr(self._freedom, logit(place) * place * (1 - place) / spread)
            # of clusters that agree: how far beyond the middle they are, with the others at the far bound
            same = np.maximum(0.5, 1 - (0.5 / np.maximum(place, 1 - place)) ** self.clusters)
            same = np.where(place < 0.5, 1 - same, same)
            above = np.where(_nothing_to_go_by(place, spread), same, sure)
            return np.where(np.isnan(self.values) | np.isnan(spread), math.nan, above)

    def mean(self, axis: int) -> "Jackknife":
        """Return the mean over one axis of the scores: of several training seeds, of several rows."""
        along = axis if axis < 0 else axis + 1
        return Jackknife(
            self.values.mean(axis=axis), self.without.mean(axis=along), self.shares.mean(axis=along), self.bounds
        )

    def __getitem__(self, place: Any) -> "Jackknife":
        rest = place if isinstance(place, tuple) else (place,)
        return Jackknife(self.values[place], self.without[:, *rest], self.shares[:, *rest], self.bounds)

    def __sub__(self, other: "Jackknife") -> "Jackknife":
        """Return paired differences; a cluster's share is the mean of its shares in both."""
        (lowest, highest), (other_lowest, other_highest) = self.bounds, other.bounds
        return Jackknife(
            self.values - other.values,
            self.without - other.without,
            (self.shares + other.shares) / 2,
            (lowest - other_highest, highest - other_lowest),
        )

    @property
    def _freedom(self) -> Floats:
        """(...) degrees of freedom: the effective number of clusters minus 1."""
        freedom: Floats = np.maximum(1 / (self.shares**2).sum(axis=0) - 1, LEAST_FREEDOM)
        return freedom

    def _in_unit(self) -> tuple[Floats, Floats]:
        """Return scores and their standard errors between the bounds, as 0..1; x / (1 + x) where there is no upper."""
        counted, clusters = self.shares > 0, self.clusters
        mean = np.where(counted, self.without, 0).sum(axis=0) / clusters
        squares = np.where(counted, (self.without - mean) ** 2, 0).sum(axis=0)
        # a cluster without a share, of good images alone, adds nothing to a mean, but false alarms to average precision
        squares += np.where(counted, 0, (self.without - self.values) ** 2).sum(axis=0)
        spread = np.sqrt(np.where(clusters > 1, (clusters - 1) / clusters * squares, math.nan))
        lowest, highest = self.bounds
        above = self.values - lowest
        if math.isinf(highest):
            return above / (1 + above), spread / (1 + above) ** 2
        return np.clip(above / (highest - lowest), 0, 1), spread / (highest - lowest)

    def _outside(self, place: Floats) -> Floats:
        """Return what 0..1 means between the bounds."""
        lowest, highest = self.bounds
        return lowest + (place / (1 - place) if math.isinf(highest) else place * (highest - lowest))


def _nothing_to_go_by(place: Floats, spread: Floats) -> NDArray[np.bool_]:
    """Return (...) whether clusters agree, or a score 0..1 is at its bound, where its logit has no slope."""
    nothing: NDArray[np.bool_] = (spread < NO_SPREAD) | (place <= 0) | (place >= 1)
    return nothing


def shares_of(weights: ArrayLike) -> Floats:
    """Return (C, ...) the shares of C clusters in weights (C, ...) of 0 or more; NaN where all are 0."""
    weights = np.asarray(weights, np.float64)
    total = weights.sum(axis=0)
    return np.divide(weights, total, out=np.full(weights.shape, math.nan), where=total != 0)


def draw_clusters(count: int, resamples: int, seed: int) -> Floats:
    """Return (resamples, count) how often each cluster is in each resample of as many, drawn with replacement.

    This bootstrap of clusters (Davison & Hinkley 1997, section 3.8, "strategy 1") is for ranks and for which row is
    best, which jump and have no interval by the jackknife. With few clusters its resamples vary less than new boards
    would: what it says of ranks is a share of resamples, surer than it should be, and not said below `MIN_CLUSTERS`.
    """
    if not count:
        return np.empty((resamples, 0))
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return draws.astype(np.float64)


def resampled_range(values: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return between which values the middle 95% of (R, J) resamples lie: two arrays (J,), low and high.

    Over the resamples in which the value is defined; NaN where it is in none.
    """
    low, high = np.full((2, values.shape[1]), math.nan)
    known = ~np.isnan(values).all(axis=0)
    if known.any():
        low[known], high[known] = np.nanquantile(values[:, known], ((1 - level) / 2, (1 + level) / 2), axis=0)
    return low, high
