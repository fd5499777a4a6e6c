"""How sure a share of independent trials is: the exact interval of Clopper & Pearson."""

import math

from scipy.special import betaincinv

from stages.metrics.intervals import LEVEL


def exact_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the lowest and highest chance under which so many hits, or as few, are not rarer than 2.5% each.

    low solves P(at least `hits` of `trials`) = 2.5%, high P(at most `hits`) = 2.5%; both are quantiles of beta
    distributions (Clopper & Pearson 1934).

    Args:
        hits: 0..trials.
        trials: independent of each other. Tiles of one image are not: the interval is then too narrow.

    Returns:
        95% interval, 0..1; NaN twice where there is no trial.

    Raises:
        ValueError: hits are not within 0..trials.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits of {trials} trials")
    if not trials:
        return math.nan, math.nan
    tail = (1 - LEVEL) / 2
    low = betaincinv(hits, trials - hits + 1, tail) if hits else 0.0
    high = betaincinv(hits + 1, trials - hits, 1 - tail) if hits < trials else 1.0
    return float(low), float(high)
