"""Tiles under measurement: the pixels of a truth, and enlarged heatmaps with what several truths ask of them."""

import numpy as np
from numpy.typing import NDArray

from stages.metrics.pixel_ranking import BINS, float16_bins, region_weights
from stages.metrics.pointing import truth_distance_px
from stages.metrics.thesis import scale_to_255

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


class Mask:
    """The truth of n tiles as a list of its pixels: they are few, and every setting asks for them again."""

    def __init__(self, truth: Bools) -> None:
        flat = truth.reshape(len(truth), -1)
        self.pixels = np.flatnonzero(flat)
        self.area_px = count_rows(flat)
        self.starts = np.concatenate([[0], np.cumsum(self.area_px)])
        self.weights = region_weights(truth)
        self.regions = np.rint(self.sums(self.weights, slice(0, len(truth)))).astype(np.int64)
        self.distance = truth_distance_px(truth)
        self._tile_px = flat.shape[1]

    def of(self, block: slice) -> NDArray[np.intp]:
        """Return where the true pixels of these tiles lie, counted from the first of them."""
        return self.pixels[self.starts[block.start] : self.starts[block.stop]] - block.start * self._tile_px

    def weights_of(self, block: slice) -> NDArray[np.float64]:
        """Return the weight of each pixel that `of` returns: 1 / area of its region."""
        return self.weights[self.starts[block.start] : self.starts[block.stop]]

    def sums(self, values: NDArray, block: slice) -> NDArray[np.float64]:
        """Add up one value per true pixel of these tiles: (tiles,)."""
        area_px = self.area_px[block]
        tiles = np.repeat(np.arange(len(area_px)), area_px)
        return np.bincount(tiles, weights=values, minlength=len(area_px)).astype(np.float64)


class Values:
    """Heatmaps of a block of tiles at tile size, (b, pixels), and what several truths ask of them."""

    def __init__(self, heatmaps: NDArray[np.float32], probability: Floats) -> None:
        self.raw = heatmaps.reshape(len(heatmaps), -1)
        self.scaled = scale_to_255(self.raw)
        self.probability = probability
        self.positive = np.maximum(self.raw, 0).sum(axis=1)
        self._bins: dict[str, NDArray[np.uint16]] = {}
        self._totals: dict[str, NDArray[np.int64]] = {}

    def shown(self, probability_threshold: float) -> Bools:
        """Return (b, 1) true where the tile is called defective."""
        return (self.probability > probability_threshold)[:, None]

    def bins(self, scale: str) -> NDArray[np.uint16]:
        """Return the float16 bin of each value, (b, pixels)."""
        if scale not in self._bins:
            factor = (self.probability / 255).astype(np.float32)[:, None]
            self._bins[scale] = float16_bins(self.raw if scale == "raw" else self.scaled * factor)
        return self._bins[scale]

    def totals(self, scale: str) -> NDArray[np.int64]:
        """Return the histogram of all pixels of the block."""
        if scale not in self._totals:
            self._totals[scale] = np.bincount(self.bins(scale).reshape(-1), minlength=BINS)
        return self._totals[scale]


def count_rows(flat: Bools) -> NDArray[np.int64]:
    """Return how many are true in each row of (n, pixels)."""
    # counting row by row takes a third of the time of counting along an axis
    return np.array([np.count_nonzero(row) for row in flat], np.int64)
