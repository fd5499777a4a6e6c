"""Threshold-free pixel scores: average precision of one tile by sorting, and of pooled pixels by histograms.

Pixels of all tiles are pooled in histograms with 65,536 bins, one for each float16: memory does not grow with the
number of tiles, and the scores are those of all pixels sorted (scikit-learn's, anomalib's) to floating point, save that
values within 1/2,048 of each other share a rank, as equal ones do. Relative to 0 that is, so values are first laid
around 0 with a reach of 2^15 (`stages.scoring.enlarged.Frame`): maps of any scale and offset score alike.

Histograms are ascending along their last axis; what lies before it (settings, bootstrap samples) is kept.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

BINS = 65536  # one for each float16
REACH = 2.0**15  # largest value that is binned: from there float16 has 29 octaves of full precision
COARSE_INSIDE, COARSE_OUTSIDE = 512, 256  # see `quantile_bins`
FPR_LIMIT = 0.3  # false positive rate that AUPRO is taken up to (Bergmann et al. 2021)
_NEGATIVE_ZERO = 0x7FFF
_NOISE_BITS = 8

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Histograms:
    """How the values of pixels are distributed, over whatever tiles were added; the sum of two is that of both."""

    inside: NDArray[np.float64]  # (..., bins) pixels of the truth
    outside: NDArray[np.float64]  # (..., bins) all others
    regions: NDArray[np.float64]  # (..., bins) pixels of the truth, each weighing 1 / area of its region

    def __add__(self, other: "Histograms") -> "Histograms":
        return Histograms(self.inside + other.inside, self.outside + other.outside, self.regions + other.regions)

    def average_precision(self) -> NDArray[np.float64]:
        """Return (...) `average_precision` of the pixels."""
        return average_precision(self.inside, self.outside)

    def auroc(self) -> NDArray[np.float64]:
        """Return (...) `auroc` of the pixels."""
        return auroc(self.inside, self.outside)

    def aupro(self, fpr_limit: float = FPR_LIMIT) -> NDArray[np.float64]:
        """Return (...) `aupro` of the regions."""
        return aupro(self.regions, self.outside, fpr_limit)


def float16_bins(values: Floats) -> NDArray[np.uint16]:
    """Return the bin 0..65535 of each value rounded to float16: larger values, larger bins; -0 and 0 share one.

    Raises nothing: infinities have bins too, and NaN must not get here (`MethodMaps.read` refuses it).
    """
    halves = torch.from_numpy(np.ascontiguousarray(values, np.float32)).half().view(torch.int16).numpy()
    bits = halves.view(np.uint16)
    # the sign bit is flipped for positive values, all bits for negative ones: integers in the order of the values
    flipped = (halves >> 15).view(np.uint16) | np.uint16(0x8000)
    bins: NDArray[np.uint16] = np.bitwise_xor(bits, flipped, out=flipped)
    bins += bins == _NEGATIVE_ZERO
    return bins


def rank_keys(places: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return whole numbers in the order of float32 places 0..1 (or any values that are not negative).

    Their bits are in that order already. The last eight are rounded away: enlarging a heatmap leaves some units in the
    last place of noise, which would put the pixels of a plateau in an order that means nothing. Values within 2^-16 of
    each other, relative to themselves, share a key; on disk cells are kept to 2^-12 of a map's range.
    """
    keys: NDArray[np.int32] = np.ascontiguousarray(places, np.float32).view(np.int32) + np.int32(1 << (_NOISE_BITS - 1))
    keys >>= _NOISE_BITS
    return keys


def average_precision(inside: Floats, outside: Floats) -> NDArray[np.float64]:
    """Return sum over thresholds of (R_n - R_(n-1)) P_n, without interpolation, as scikit-learn does.

    Args:
        inside, outside: (..., bins) ascending histograms of pixels inside and outside the truth.

    Returns:
        (...) 0..1; NaN where nothing is inside.
    """
    true, false = _from_above(inside), _from_above(outside)
    precision = _divide(true, true + false)
    total = true[..., -1]
    return _divide(np.sum(np.flip(np.asarray(inside, np.float64), -1) * np.nan_to_num(precision), axis=-1), total)


def tile_average_precision(ranked: NDArray[np.integer], own: NDArray[np.integer]) -> float:
    """Return the average precision of one tile: the mean over its true pixels of the precision at their value.

    Only the order of the tile's values counts; equal ones share the lowest precision among them, as in scikit-learn.

    Args:
        ranked: (P,) keys of all pixels, ascending; larger keys for larger values.
        own: keys of the true pixels among them, at least one, in any order.
    """
    own = np.sort(own)
    true = len(own) - np.searchsorted(own, own)
    above = len(ranked) - np.searchsorted(ranked, own)
    return float(np.mean(true / above))


def auroc(inside: Floats, outside: Floats) -> NDArray[np.float64]:
    """Return the probability that a pixel inside is above one outside, equal values counting half: (...) 0..1.

    NaN where nothing is inside or nothing is outside.
    """
    inside, outside = np.asarray(inside, np.float64), np.asarray(outside, np.float64)
    below = np.cumsum(outside, axis=-1) - outside
    wins = np.sum(inside * (below + outside / 2), axis=-1)
    return _divide(wins, inside.sum(axis=-1) * outside.sum(axis=-1))


def aupro(regions: Floats, outside: Floats, fpr_limit: float = FPR_LIMIT) -> NDArray[np.float64]:
    """Return the area under the per-region overlap curve up to a false positive rate, divided by that rate.

    The overlap at a threshold is the mean over the truth's regions (8-connected) of the share of the region that is
    above it; the false positive rate is the share of pixels outside all regions (Bergmann et al. 2021, MVTec AD;
    anomalib's AUPRO is the same). The curve is linear between thresholds and cut at the limit.

    Args:
        regions: (..., bins) histogram of the truth's pixels, each weighing 1 / area of its region.
        outside: (..., bins) histogram of all other pixels.
        fpr_limit: 0 < limit <= 1.

    Returns:
        (...) 0..1; NaN where there is no region or no pixel outside.
    """
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit is {fpr_limit}; expected above 0, at most 1")
    overlap, rate = _from_above(regions), _from_above(outside)
    overlap = _divide(overlap, overlap[..., -1:])
    rate = _divide(rate, rate[..., -1:])
    start = np.zeros((*overlap.shape[:-1], 1))
    overlap, rate = np.concatenate([start, overlap], -1), np.concatenate([start, rate], -1)
    # each step's part left of the limit is a trapezium that ends on the line between its two points
    step = np.diff(rate, axis=-1)
    kept = np.clip(fpr_limit - rate[..., :-1], 0, step)
    rise = np.diff(overlap, axis=-1) * np.nan_to_num(_divide(kept, step))
    return np.sum(kept * (overlap[..., :-1] + rise / 2), axis=-1) / fpr_limit


def region_weights(truth: Bools) -> NDArray[np.float64]:
    """Return 1 / area (px) of the 8-connected region of each true pixel of (n, H, W), in reading order: (pixels,)."""
    weights = [np.zeros(0)]
    for mask in truth[truth.any(axis=(1, 2))]:
        labels, statistics = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[1:3]
        weights.append(1.0 / statistics[labels[mask], cv2.CC_STAT_AREA])
    return np.concatenate(weights)


def quantile_bins(histograms: Histograms, inside: int = COARSE_INSIDE, outside: int = COARSE_OUTSIDE) -> NDArray:
    """Return (65536,) the coarse bin 0.. of each bin, ascending, so that scores of coarse histograms stay close.

    A coarse bin holds about 1 / `inside` of the pixels inside and 1 / `outside` of those outside at most, unless one
    value has more, and begins with a pixel inside or outside, never with an empty bin. Average precision, which counts
    all pixels of a bin at the precision of its lowest, then falls short of the exact one by about 1 / (2 `inside`) at
    most, and not at all where there are fewer pixels inside than bins for them.

    Args:
        histograms: (65536,) of all tiles.
        inside, outside: how many parts; there are fewer than inside + outside bins.
    """
    shares = []
    for part, count in ((histograms.inside, inside), (histograms.outside, outside)):
        total = part.sum()
        shares.append(np.ceil(np.cumsum(part) / total * (count - 1)) if total > 0 else np.zeros(len(part)))
    _, coarse = np.unique(shares[0] + shares[1], return_inverse=True)
    return coarse.astype(np.intp)


def _from_above(histogram: Floats) -> NDArray[np.float64]:
    """Return how much lies in a bin or above it, highest bin first."""
    return np.cumsum(np.flip(np.asarray(histogram, np.float64), -1), axis=-1)


def _divide(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    quotient = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), math.nan)
    np.divide(part, whole, out=quotient, where=np.asarray(whole) > 0)
    return quotient
