"""Ratios of two scores of the same tiles, with an interval over clusters (Fieller 1954).

    a / b is r wherever  (a - r b)^2 <= t^2 var(a - r b):   r = (p -+ sqrt(p^2 - g q)) / g

    p = a b - t^2 cov(a, b),  q = a^2 - t^2 var(a),  g = b^2 - t^2 var(b)

Variances and the covariance are those of the jackknife over clusters, t Student's, both as in
`stages.metrics.intervals`: a and b are paired, so what makes a cluster hard for both cancels out. Where b itself may be
0 (g <= 0) no finite interval holds the ratio, and there is none: a standard error of a / b would hide that.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from stages.metrics.intervals import LEAST_FREEDOM, LEVEL, NO_SPREAD, Jackknife

Floats = NDArray[np.float64]


def ratio(above: Jackknife, below: Jackknife, level: float = LEVEL) -> tuple[Floats, Floats, Floats]:
    """Return ratios and the ends of their intervals, (...) each.

    Args:
        above, below: scores, or differences of scores, of the same clusters.
        level: of the interval.

    Returns:
        The ratio, NaN where what is below is 0 or less; low and high, NaN where the ratio is, with fewer than two
        clusters, where all clusters agree, and where what is below may be 0.
    """
    a, b = above.values, below.values
    shares = (above.shares + below.shares) / 2
    count = (shares > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.maximum(1 / (shares**2).sum(axis=0) - 1, LEAST_FREEDOM)
        wide = stdtrit(freedom, (1 + level) / 2) ** 2
        var_a, var_b, cov = (_covariance(*pair, shares) for pair in ((above,) * 2, (below,) * 2, (above, below)))
        p, q, g = a * b - wide * cov, a**2 - wide * var_a, b**2 - wide * var_b
        reach = np.sqrt(np.maximum(p**2 - g * q, 0))
        known = (b > 0) & (count > 1) & (g > 0) & (np.sqrt(np.maximum(var_a, var_b)) > NO_SPREAD)
        found = np.where(b > 0, a / b, math.nan)
        return found, np.where(known, (p - reach) / g, math.nan), np.where(known, (p + reach) / g, math.nan)


def _covariance(one: Jackknife, other: Jackknife, shares: Floats) -> Floats:
    """Return (...) (C - 1) / C sum_i (one_(i) - mean)(other_(i) - mean); clusters without a share as in `Jackknife`."""
    counted = shares > 0
    count = counted.sum(axis=0)
    apart = [
        np.where(counted, own.without - np.where(counted, own.without, 0).sum(axis=0) / count, own.without - own.values)
        for own in (one, other)
    ]
    found: Floats = (count - 1) / count * (apart[0] * apart[1]).sum(axis=0)
    return found
