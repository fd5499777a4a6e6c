"""Tiles under measurement: the pixels of a truth, and enlarged heatmaps with what several truths ask of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import upsample
from stages.metrics.pixel_ranking import BINS, REACH, float16_bins, rank_keys, region_weights
from stages.metrics.pointing import truth_distance_px
from stages.metrics.table import RAW
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


@dataclass(frozen=True)
class Frame:
    """Where the values of one setting lie over all tiles whose pixels are pooled: what its bins are laid around."""

    centre: float
    reach: float  # how far a value is from the centre at most

    @classmethod
    def of(cls, low: Floats, middle: Floats, high: Floats) -> "Frame":
        """Make a frame of the lowest, median and highest value of each of n maps, (n,) each."""
        if not len(low):
            return cls(0.0, 0.0)
        centre = float(np.median(middle.astype(np.float64)))
        return cls(centre, max(float(high.max()) - centre, centre - float(low.min())))


class Values:
    """Heatmaps of a block of b tiles at tile size, (b, pixels), and what several truths ask of them.

    `raw` is the enlarged heatmap. `places` is the same heatmap enlarged after each was scaled to 0..1 by its own lowest
    and highest cell: float32 keeps the order of its pixels however small or flat the map is, where enlarging
    0.02 + 0.000001 v would round them into steps.

    Args:
        native: (b, h, w) heatmaps.
        px, cell_px, offset_px: see `stages.metrics.geometry`.
        probability: (b,) of a defect.
        frame: of the pooled tiles; pooled raw values need it.
    """

    def __init__(
        self, native: Floats, px: int, cell_px: float | None, offset_px: float, probability: Floats, frame: Frame | None
    ) -> None:
        self.raw = upsample(native, px, cell_px, offset_px).reshape(len(native), -1)
        self.scaled = scale_to_255(self.raw)
        self.probability = probability
        self.positive = np.maximum(self.raw, 0).sum(axis=1)
        self._native, self._geometry, self._frame = native, (px, cell_px, offset_px), frame
        self._low = native.min(axis=(1, 2)).astype(np.float64)
        self._span = native.max(axis=(1, 2)) - self._low
        self._bins: dict[str, NDArray[np.uint16]] = {}
        self._totals: dict[str, NDArray[np.int64]] = {}
        self._keys: dict[int, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}

    @cached_property
    def places(self) -> NDArray[np.float32]:
        """(b, pixels) 0..1 in each tile's own range; 0 for a constant heatmap."""
        unit = np.where(self._span > 0, self._span, 1)[:, None, None]
        return upsample((self._native - self._low[:, None, None]) / unit, *self._geometry).reshape(self.raw.shape)

    def keys(self, tile: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return (pixels,) whole numbers in the order of one tile's `places`; and the same sorted."""
        if tile not in self._keys:
            keys = rank_keys(self.places[tile])
            self._keys[tile] = keys, np.sort(keys)
        return self._keys[tile]

    def shown(self, probability_threshold: float) -> Bools:
        """Return (b, 1) true where the tile is called defective."""
        return (self.probability > probability_threshold)[:, None]

    def bins(self, scale: str) -> NDArray[np.uint16]:
        """Return the bin of each value, (b, pixels), in the order of the values of all pooled tiles."""
        if scale not in self._bins:
            self._bins[scale] = float16_bins(self._pooled_raw() if scale == RAW else self._gated())
        return self._bins[scale]

    def totals(self, scale: str) -> NDArray[np.int64]:
        """Return the histogram of all pixels of the block."""
        if scale not in self._totals:
            self._totals[scale] = np.bincount(self.bins(scale).reshape(-1), minlength=BINS)
        return self._totals[scale]

    def _pooled_raw(self) -> NDArray[np.float32]:
        """Return the raw values, moved and stretched, all tiles alike, to the middle of what float16 can tell apart."""
        if self._frame is None:
            raise ValueError("raw values of several tiles are pooled, but nothing says where they lie")
        factor = REACH / self._frame.reach if self._frame.reach > 0 else 0.0
        base = ((self._low - self._frame.centre) * factor).astype(np.float32)[:, None]
        pooled: NDArray[np.float32] = self.places * (self._span * factor).astype(np.float32)[:, None]
        pooled += base
        return pooled

    def _gated(self) -> NDArray[np.float32]:
        """Return scaled values times the probability, stretched likewise: a sure 1e-9 is not yet 0."""
        return self.scaled * (self.probability * REACH / 255).astype(np.float32)[:, None]


def count_rows(flat: Bools) -> NDArray[np.int64]:
    """Return how many are true in each row of (n, pixels)."""
    # counting row by row takes a third of the time of counting along an axis
    return np.array([np.count_nonzero(row) for row in flat], np.int64)
