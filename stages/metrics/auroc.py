"""Area under the ROC curve of pooled pixels."""

import numpy as np
from numpy.typing import NDArray

from stages.metrics.histograms import Histograms, divide


def auroc(pixels: Histograms) -> NDArray[np.float64]:
    """Return the probability that a pixel inside the truth is above one outside, equal values counting half.

    Returns:
        (...) 0..1; NaN where nothing is inside or nothing is outside.

    >>> inside, outside = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    >>> float(auroc(Histograms(inside, outside, inside)))
    0.375
    """
    inside, outside = np.asarray(pixels.inside, np.float64), np.asarray(pixels.outside, np.float64)
    below = np.cumsum(outside, axis=-1) - outside
    wins = np.sum(inside * (below + outside / 2), axis=-1)
    return divide(wins, inside.sum(axis=-1) * outside.sum(axis=-1))
