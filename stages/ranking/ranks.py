"""Ranks of models within a family, as in tables 3.5 and 3.7 of the thesis, and how sure they are."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BEST_BY = "average_rank"  # the rule by which a row is called best, everywhere: see `rank_family` and `in_one_order`


@dataclass(frozen=True)
class Ranked:
    """One row of a ranking."""

    name: str
    values: dict[str, float]  # metric -> value, higher is better; NaN is undefined
    ranks: dict[str, int]  # metric -> rank within the family, 1 is best
    average_rank: float
    undefined: int  # how many of the values are NaN


def competition_ranks(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Rank values along the last axis: 1 + how many are higher, so that ties share the better rank (1, 2, 2, 4).

    NaN counts as lower than every number; several NaN tie for the last place.

    Args:
        values: (..., n).

    Returns:
        (..., n), 1 is best.
    """
    known = np.where(np.isnan(values), -np.inf, values)
    higher: NDArray[np.int64] = (known[..., None, :] > known[..., :, None]).sum(axis=-1)
    return 1 + higher


def average_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (..., n) the mean over K metrics of the ranks among n rows, of values (..., n, K)."""
    return competition_ranks(np.moveaxis(values, -1, -2)).mean(axis=-2)


def best_rows(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return (..., n) which of n rows with values (..., n, K) is the best: several only where they tie in everything.

    By the rule of `rank_family`: the lowest average rank, of equal ones the best in the first metric, then the second.
    """
    ranks = competition_ranks(np.moveaxis(values, -1, -2))
    best = np.ones(values.shape[:-1], bool)
    for own in (ranks.sum(axis=-2), *np.moveaxis(ranks, -2, 0)):
        left = np.where(best, own, np.iinfo(np.int64).max)
        best &= left == left.min(axis=-1, keepdims=True)
    return best


def rank_family(table: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> list[Ranked]:
    """Rank the rows of one family by each metric and by the mean of these ranks.

    Args:
        table: name of the row -> metric -> value, higher is better, NaN where undefined.
        metrics: which of them count, each with the same weight.

    Returns:
        Best first: by average rank, then by the values of the metrics in their order, then as given. Empty for an
        empty table.
    """
    if not table:
        return []
    columns = {metric: competition_ranks(np.array([row[metric] for row in table.values()])) for metric in metrics}
    rows = []
    for place, (name, values) in enumerate(table.items()):
        ranks = {metric: int(columns[metric][place]) for metric in metrics}
        undefined = sum(math.isnan(values[metric]) for metric in metrics)
        mean = sum(ranks.values()) / len(ranks)
        rows.append(Ranked(name, {metric: values[metric] for metric in metrics}, ranks, mean, undefined))
    # ties in the mean: the better rank in the metric named first decides, then in the second, ...
    return sorted(rows, key=lambda row: (row.average_rank, *row.ranks.values()))


def in_one_order(families: Iterable[list[Ranked]], metrics: Sequence[str]) -> list[str]:
    """Return the names of the rows of all families, best first, each family's in its own order.

    It is the same rule throughout: of the families' best rows that are left, the one with the lower average rank among
    these comes next (of two rows the one that is higher in more metrics), the metrics in their order where that is
    equal.
    """
    left = [list(rows) for rows in families]
    names = []
    while left := [rows for rows in left if rows]:
        heads = {rows[0].name: rows[0].values for rows in left}
        best = rank_family(heads, metrics)[0].name
        names.append(best)
        left = [rows[1:] if rows[0].name == best else rows for rows in left]
    return names


def improvement_percent(a: Mapping[str, float], b: Mapping[str, float], metrics: Sequence[str]) -> dict[str, float]:
    """Return by how much a is better than b, 100 (a - b) / b in percent per metric; NaN where b is 0 or one is NaN."""
    return {metric: 100 * (a[metric] - b[metric]) / b[metric] if b[metric] else math.nan for metric in metrics}
