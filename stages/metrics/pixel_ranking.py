"""Threshold-free pixel scores from histograms: average precision, AUROC, AUPRO, and IoU at every threshold.

Heatmap values at tile size are rounded to float16, the precision that maps are stored in. Those have 65,536 values, so
a histogram with one bin for each of them loses nothing: the scores agree with those of all pixels sorted
(scikit-learn's, anomalib's) to floating point, in memory that does not grow with the number of tiles. The rounding
itself joins float32 values that lie within 1/2,048 of each other; they share a rank, as equal values do.

Histograms are ascending along their last axis; what lies before it (settings, bootstrap samples) is kept.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

BINS = 65536  # one for each float16
FPR_LIMIT = 0.3  # false positive rate that AUPRO is taken up to (Bergmann et al. 2021)
_NEGATIVE_ZERO = 0x7FFF

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


def bin_values(bins: NDArray[np.integer]) -> NDArray[np.float16]:
    """Return the float16 value of each bin: the inverse of `float16_bins`."""
    codes = np.asarray(bins).astype(np.uint16)
    return np.where(codes & 0x8000, codes ^ 0x8000, ~codes).astype(np.uint16).view(np.float16)


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


def tile_average_precision(bins: NDArray[np.uint16], pixels: NDArray[np.integer]) -> float:
    """Return the average precision of one tile: the mean over its true pixels of the precision at their value.

    Args:
        bins: (P,) of `float16_bins`.
        pixels: at least one; where the true ones are.
    """
    lowest = int(bins.min())
    above = np.cumsum(np.bincount(bins - np.uint16(lowest))[::-1])[::-1]
    own = np.sort(bins[pixels])
    true = len(own) - np.searchsorted(own, own)  # of equal values all count
    return float(np.mean(true / above[own - np.uint16(lowest)]))


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


def iou_curve(inside: Floats, outside: Floats) -> NDArray[np.float64]:
    """Return intersection over union (..., bins) of "value in this bin or above" with the truth; NaN without truth."""
    true, false = np.flip(_from_above(inside), -1), np.flip(_from_above(outside), -1)
    total = true[..., :1]
    return np.where(total > 0, _divide(true, total + false), math.nan)


def best_bin(inside: Floats, outside: Floats) -> int:
    """Return the bin whose value, as the lowest that counts, has the highest IoU: (bins,) twice, from validation.

    Equal IoU goes to the highest threshold; -1 where there is no truth.
    """
    curve = iou_curve(inside, outside)
    return -1 if np.isnan(curve).all() else len(curve) - 1 - int(np.nanargmax(curve[::-1]))


def region_weights(truth: Bools) -> NDArray[np.float64]:
    """Return 1 / area (px) of the 8-connected region of each true pixel of (n, H, W), in reading order: (pixels,)."""
    weights = [np.zeros(0)]
    for mask in truth[truth.any(axis=(1, 2))]:
        labels, statistics = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[1:3]
        weights.append(1.0 / statistics[labels[mask], cv2.CC_STAT_AREA])
    return np.concatenate(weights)


def quantile_bins(histograms: Histograms, count: int) -> NDArray[np.int64]:
    """Return (65536,) the coarse bin 0..count - 1 of each float16 bin, so that scores of coarse histograms stay close.

    Half of the coarse bins hold about equally many pixels inside, half about equally many outside: per-tile histograms
    of a bootstrap then fit in memory. Resampled scores differ from exact ones by far less than their spread.
    """
    shares = []
    for part in (histograms.inside, histograms.outside):
        total = part.sum()
        before = np.cumsum(part) - part
        shares.append(np.floor(before / total * (count // 2)) if total > 0 else np.zeros(len(part)))
    _, coarse = np.unique(shares[0] + shares[1], return_inverse=True)
    return coarse.astype(np.int64)


def _from_above(histogram: Floats) -> NDArray[np.float64]:
    """Return how much lies in a bin or above it, highest bin first."""
    return np.cumsum(np.flip(np.asarray(histogram, np.float64), -1), axis=-1)


def _divide(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    quotient = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), math.nan)
    np.divide(part, whole, out=quotient, where=np.asarray(whole) > 0)
    return quotient


def _defined_max(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    best = np.max(np.where(np.isnan(curves), -1, curves), axis=-1)
    return np.where(best < 0, math.nan, best)
