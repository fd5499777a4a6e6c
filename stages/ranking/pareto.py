"""Which models are worth their time: the Pareto front of a score against a cost."""

import numpy as np
from numpy.typing import NDArray


def pareto_front(scores: NDArray[np.floating], costs: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return (n,) true for the rows that no other row beats.

    A row is beaten by one that scores at least as high, costs at most as much, and is better in one of the two; equal
    rows do not beat each other. A row whose score or cost is NaN is never on the front and beats none.

    Args:
        scores: (n,) higher is better.
        costs: (n,) e.g. milliseconds, lower is better.
    """
    no_worse = (scores[:, None] >= scores[None, :]) & (costs[:, None] <= costs[None, :])
    better = (scores[:, None] > scores[None, :]) | (costs[:, None] < costs[None, :])
    beaten = (no_worse & better).any(axis=0)
    known: NDArray[np.bool_] = ~(np.isnan(scores) | np.isnan(costs))
    return known & ~beaten
