"""Ranks by every metric and their mean, as in tables 3.5 and 3.7 of the thesis: the rule by which one is called best.

Of some explanations that are ranked together, the best has the lowest average rank; of equal ones the better rank in
the metric named first decides, then in the second, and so on.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

BEST_BY = "average_rank"  # name of this rule in metrics/rank.json


def competition_ranks(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Rank values along the last axis: 1 + how many are higher, so that ties share the better rank (1, 2, 2, 4).

    Args:
        values: (..., n), higher is better. NaN counts as lower than every number; several NaN tie for the last place.

    Returns:
        (..., n), 1 is best.

    >>> competition_ranks(np.array([0.5, 0.9, np.nan, 0.5])).tolist()
    [2, 1, 4, 2]
    """
    return rankdata(np.where(np.isnan(values), np.inf, -values), method="min", axis=-1).astype(np.int64)


def metric_ranks(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return (..., n, K) the rank of each of n explanations by each of K metrics, of values (..., n, K)."""
    return np.moveaxis(competition_ranks(np.moveaxis(values, -1, -2)), -1, -2)


def average_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (..., n) the mean over K metrics of the ranks among n explanations, of values (..., n, K).

    >>> average_ranks(np.array([[0.9, 0.2], [0.5, 0.8], [0.1, 0.8]])).tolist()
    [2.0, 1.5, 2.0]
    """
    return metric_ranks(values).mean(axis=-1)


def best_first(values: NDArray[np.floating]) -> list[int]:
    """Return the places of n explanations with values (n, K), best first; those that tie in all stay as given."""
    ranks = metric_ranks(values)
    return [int(place) for place in np.lexsort((*ranks.T[::-1], ranks.sum(axis=1)))]  # the last key decides first


def are_best(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return (..., n) which of n explanations with values (..., n, K) is best; several only if they tie in all."""
    ranks = metric_ranks(values)
    best = np.ones(values.shape[:-1], bool)
    for criterion in (ranks.sum(axis=-1), *np.moveaxis(ranks, -1, 0)):
        left = np.where(best, criterion, np.iinfo(np.int64).max)
        best &= left == left.min(axis=-1, keepdims=True)
    return best


def merged_order(values: NDArray[np.floating], families: Sequence[Sequence[int]]) -> list[int]:
    """Return the places of the explanations of all families, best first, each family in its own order.

    Of the families' best that are left, the better one by the same rule among these alone comes next.

    Args:
        values: (M, K) of all explanations.
        families: of each family its places in `values`, best first.
    """
    order: list[int] = []
    left = [list(family) for family in families]
    while left := [family for family in left if family]:
        first = best_first(values[[family[0] for family in left]])[0]
        order.append(left[first].pop(0))
    return order


def improvement_percent(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Return metric -> by how much a is better than b, 100 (a - b) / b in percent; NaN where b is 0 or one is NaN."""
    return {metric: 100 * (a[metric] - b[metric]) / b[metric] if b[metric] else float("nan") for metric in a}
