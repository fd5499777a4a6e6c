"""Some tiles under measurement: heatmaps at tile size, and the pixels of a truth; what every score of a tile asks for.

Whatever several scores need of a heatmap is computed once, when the first of them asks.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import centre_pixels, upsample
from stages.metrics.histograms import BINS, REACH, float16_bins
from stages.metrics.thesis import scale_to_255

# Which values of the pixels are pooled over tiles.
# raw: the heatmap's own, as AUPRO and the others are defined. Where a method's maps have another scale on each tile (as
# attention rollout, which spreads the same mass over every tile) good and defective tiles look alike, and it fares ill.
# gated: scaled to 0..1 within each tile, times the tile's probability of a defect. The classifier puts the tiles in
# order, so that even a random map behind a good classifier is far above chance: compare with the random map's.
RAW, GATED = "raw", "gated"
SCALES = (RAW, GATED)
_NOISE_BITS = 8

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


class TruePixels:
    """The truth (b, px, px) of b tiles as a list of its pixels: they are few, and every heatmap asks for them again."""

    def __init__(self, truth: Bools) -> None:
        flat = truth.reshape(len(truth), -1)
        self.truth = truth
        self.pixels = np.flatnonzero(flat)  # (P,) place of each true pixel among those of all b tiles
        self.area_px = count_rows(flat)  # (b,)
        self._starts = np.concatenate([[0], np.cumsum(self.area_px)])

    @cached_property
    def tile(self) -> NDArray[np.intp]:
        """(P,) which of the b tiles each true pixel is part of."""
        return np.repeat(np.arange(len(self.area_px)), self.area_px)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """(P,) 1 / area of the region of each true pixel: the weights of one region add up to 1."""
        return region_weights(self.truth)

    @cached_property
    def rows_columns(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Two (P,): where each true pixel lies in its tile."""
        _, rows, columns = np.unravel_index(self.pixels, self.truth.shape)
        return rows, columns

    def of_tile(self, tile: int) -> NDArray[np.intp]:
        """Return where the true pixels of one tile lie, counted from its first pixel."""
        return self.pixels[self._starts[tile] : self._starts[tile + 1]] - tile * self.truth[0].size

    def sums(self, values: NDArray) -> NDArray[np.float64]:
        """Add up one value per true pixel, (P,), to one sum per tile, (b,)."""
        return np.bincount(self.tile, weights=values, minlength=len(self.area_px)).astype(np.float64)

    def lowest(self, values: NDArray) -> NDArray[np.float64]:
        """Return (b,) the lowest of one value per true pixel, (P,); infinite for a tile without any."""
        lowest = np.full(len(self.area_px), np.inf)
        if len(values):
            lowest[self.area_px > 0] = np.minimum.reduceat(values, self._starts[:-1][self.area_px > 0])
        return lowest


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


class EnlargedMaps:
    """Heatmaps of b tiles under one setting at tile size, (b, pixels).

    Args:
        native: (b, h, w) heatmaps at native resolution, finite.
        px, cell_px, offset_px: see `stages.metrics.geometry`.
        probability: (b,) of a defect; gated values need it.
        frame: of the tiles whose pixels are pooled; pooled raw values need it.
    """

    def __init__(
        self,
        native: Floats,
        px: int,
        cell_px: float | None = None,
        offset_px: float = 0.0,
        probability: Floats | None = None,
        frame: Frame | None = None,
    ) -> None:
        self._native, self._geometry = native, (px, cell_px, offset_px)
        self._probability, self._frame = probability, frame
        self.raw = upsample(native, *self._geometry).reshape(len(native), -1)
        self.scaled = scale_to_255(self.raw)
        self.constant: Bools = native.min(axis=(1, 2)) == native.max(axis=(1, 2))  # (b,) it points nowhere
        self._bins: dict[str, NDArray[np.uint16]] = {}
        self._totals: dict[str, NDArray[np.int64]] = {}
        self._keys: dict[int, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}

    @cached_property
    def varied(self) -> Bools:
        """(b,) whether pixels differ; a map whose cells hardly differ may be even at tile size."""
        varied: Bools = np.asarray(self.scaled.any(axis=1))
        return varied

    @cached_property
    def peak(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Two (b,): row and column of the pixel at the centre of the highest cell, of equal cells the first."""
        px, cell_px, offset_px = self._geometry
        height, width = self._native.shape[1:]
        highest = self._native.reshape(len(self._native), -1).argmax(axis=1)
        rows, columns = np.unravel_index(highest, (height, width))
        return centre_pixels(rows, height, px, cell_px, offset_px), centre_pixels(
            columns, width, px, cell_px, offset_px
        )

    @cached_property
    def positive(self) -> Floats:
        """(b,) sum of all values above 0."""
        return np.maximum(self.raw, 0).sum(axis=1)

    @cached_property
    def places(self) -> NDArray[np.float32]:
        """(b, pixels) 0..1 in each tile's own range; 0 for a constant heatmap.

        The heatmap is enlarged after it was scaled by its own lowest and highest cell: float32 keeps the order of its
        pixels however small or flat the map is, where enlarging 0.02 + 0.000001 v would round them into steps.
        """
        low, span = self._low_span
        unit = np.where(span > 0, span, 1)[:, None, None]
        return upsample((self._native - low[:, None, None]) / unit, *self._geometry).reshape(self.raw.shape)

    def keys(self, tile: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return (pixels,) whole numbers in the order of one tile's `places`; and the same sorted."""
        if tile not in self._keys:
            keys = rank_keys(self.places[tile])
            self._keys[tile] = keys, np.sort(keys)
        return self._keys[tile]

    def bins(self, scale: str) -> NDArray[np.uint16]:
        """Return the bin of each value, (b, pixels), in the order of the values of all pooled tiles."""
        if scale not in self._bins:
            self._bins[scale] = float16_bins(self._pooled_raw() if scale == RAW else self._gated())
        return self._bins[scale]

    def totals(self, scale: str) -> NDArray[np.int64]:
        """Return (65536,) the histogram of all pixels."""
        if scale not in self._totals:
            self._totals[scale] = np.bincount(self.bins(scale).reshape(-1), minlength=BINS)
        return self._totals[scale]

    @cached_property
    def _low_span(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low = self._native.min(axis=(1, 2)).astype(np.float64)
        return low, self._native.max(axis=(1, 2)) - low

    def _pooled_raw(self) -> NDArray[np.float32]:
        """Return the raw values, moved and stretched, all tiles alike, to the middle of what float16 can tell apart."""
        if self._frame is None:
            raise ValueError("raw values of several tiles are pooled, but nothing says where they lie")
        low, span = self._low_span
        factor = REACH / self._frame.reach if self._frame.reach > 0 else 0.0
        base = ((low - self._frame.centre) * factor).astype(np.float32)[:, None]
        pooled: NDArray[np.float32] = self.places * (span * factor).astype(np.float32)[:, None]
        pooled += base
        return pooled

    def _gated(self) -> NDArray[np.float32]:
        """Return scaled values times the probability, stretched likewise: a sure 1e-9 is not yet 0."""
        if self._probability is None:
            raise ValueError("values are gated by the probability of a defect, but there is none")
        return self.scaled * (self._probability * REACH / 255).astype(np.float32)[:, None]


def rank_keys(places: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return whole numbers in the order of float32 places 0..1 (or any values that are not negative).

    Their bits are in that order already. The last eight are rounded away: enlarging a heatmap leaves some units in the
    last place of noise, which would put the pixels of a plateau in an order that means nothing. Values within 2^-16 of
    each other, relative to themselves, share a key; on disk cells are kept to 2^-12 of a map's range.

    >>> low, same, high = rank_keys(np.array([0.7, 0.7 + 1e-7, 0.71], np.float32))
    >>> bool(low == same), bool(high > same)
    (True, True)
    """
    keys: NDArray[np.int32] = np.ascontiguousarray(places, np.float32).view(np.int32) + np.int32(1 << (_NOISE_BITS - 1))
    keys >>= _NOISE_BITS
    return keys


def region_weights(truth: Bools) -> NDArray[np.float64]:
    """Return 1 / area (px) of the 8-connected region of each true pixel of (n, H, W), in reading order: (pixels,).

    >>> region_weights(np.array([[[1, 0, 0, 1], [0, 1, 0, 0]]], bool)).tolist()
    [0.5, 1.0, 0.5]
    """
    weights = [np.zeros(0)]
    for mask in truth[truth.any(axis=(1, 2))]:
        labels, statistics = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[1:3]
        weights.append(1.0 / statistics[labels[mask], cv2.CC_STAT_AREA])
    return np.concatenate(weights)


def count_rows(flat: Bools) -> NDArray[np.int64]:
    """Return how many are true in each row of (n, pixels).

    >>> count_rows(np.array([[True, True], [False, False]])).tolist()
    [2, 0]
    """
    # counting row by row takes a third of the time of counting along an axis
    return np.array([np.count_nonzero(row) for row in flat], np.int64)
