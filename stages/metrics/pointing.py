"""The pointing game: does the peak of the heatmap lie in the truth, or close to it?"""

import math

import numpy as np
from numpy.typing import NDArray

from stages.metrics.enlarged import EnlargedMaps, TruePixels


def pointing_game(maps: EnlargedMaps, truth: TruePixels, tolerance_px: float = 0.0) -> NDArray[np.float64]:
    """Play the pointing game (2.8) on each tile: is the centre of the heatmap's highest cell inside the truth?

    Bilinear enlargement has its maximum at the centre of the highest cell, except along the border, where it repeats
    the cell's value to the edge: the centre is what the heatmap points at. Of equal cells the first in reading order
    counts; centres beyond the tile count as its edge. The prediction does not gate it.

    Args:
        maps, truth: of the same b tiles.
        tolerance_px: a centre this close to a true pixel's centre still hits; 0 as in the thesis, 15 in Zhang et al.
            2018 (Top-down neural attention by excitation backprop).

    Returns:
        (b,) 1 for a hit, 0 for a miss, NaN where it cannot be played: no truth pixel, or a constant heatmap.

    >>> maps, truth = EnlargedMaps(np.array([[[0.0, 9.0], [1.0, 2.0]]]), 2), np.array([[[1, 0], [0, 0]]], bool)
    >>> pointing_game(maps, TruePixels(truth)).tolist(), pointing_game(maps, TruePixels(truth), 1.0).tolist()
    ([0.0], [1.0])
    """
    (y, x), (rows, columns) = maps.peak, truth.rows_columns
    distance_px = np.sqrt(truth.lowest((rows - y[truth.tile]) ** 2 + (columns - x[truth.tile]) ** 2))
    return np.where((truth.area_px > 0) & ~maps.constant, distance_px <= tolerance_px, math.nan)
