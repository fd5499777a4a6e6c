"""Average precision: of the pixels of one tile by sorting, and of the pixels of all tiles by histograms.

Both are sum over thresholds of (R_n - R_(n-1)) P_n, without interpolation, as scikit-learn has it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.histograms import Histograms, divide, from_above


def average_precision(pixels: Histograms) -> NDArray[np.float64]:
    """Return the average precision of pooled pixels.

    Returns:
        (...) 0..1; NaN where nothing is inside.

    One pixel is inside at the highest value and one at the lowest, with two outside between them:

    >>> inside = np.array([1, 0, 0, 1])
    >>> float(average_precision(Histograms(inside, np.array([0, 1, 1, 0]), inside)))
    0.75
    """
    true, false = from_above(pixels.inside), from_above(pixels.outside)
    precision = divide(true, true + false)
    summed = np.sum(np.flip(np.asarray(pixels.inside, np.float64), -1) * np.nan_to_num(precision), axis=-1)
    return divide(summed, true[..., -1])


def tile_average_precision(maps: EnlargedMaps, truth: TruePixels) -> NDArray[np.float64]:
    """Return the average precision of each tile, which looks at the order of its own pixels alone.

    Args:
        maps, truth: of the same b tiles.

    Returns:
        (b,) 0..1; NaN without truth or for a constant heatmap.

    >>> native = np.array([[[3.0, 3.0], [2.0, 1.0]]])
    >>> tile_average_precision(EnlargedMaps(native, 2), TruePixels(np.array([[[1, 0], [0, 1]]], bool))).tolist()
    [0.5]
    """
    scores = np.full(len(truth.area_px), math.nan)
    for tile in np.flatnonzero((truth.area_px > 0) & maps.varied).tolist():
        keys, ranked = maps.keys(tile)
        scores[tile] = ranked_average_precision(ranked, keys[truth.of_tile(tile)])
    return scores


def ranked_average_precision(ranked: NDArray[np.integer], inside: NDArray[np.integer]) -> float:
    """Return the mean over true pixels of the precision at their value; equal values share the lowest among them.

    Args:
        ranked: (P,) keys of all pixels, ascending; larger keys for larger values.
        inside: keys of the true pixels among them, at least one, in any order.

    >>> ranked_average_precision(np.array([1, 2, 3, 3]), np.array([3, 1]))
    0.5
    """
    inside = np.sort(inside)
    true = len(inside) - np.searchsorted(inside, inside)
    above = len(ranked) - np.searchsorted(ranked, inside)
    return float(np.mean(true / above))
