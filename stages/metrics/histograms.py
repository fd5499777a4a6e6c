"""How the values of all pixels of many tiles are distributed: what the pooled threshold-free scores are made of.

Pixels are pooled in histograms with 65,536 bins, one for each float16: memory does not grow with the number of tiles,
and scores are those of all pixels sorted (scikit-learn's, anomalib's) to floating point, save that values within
1/2,048 of each other share a rank, as equal ones do. Relative to 0 that is, so values are first laid around 0 with a
reach of 2^15 (`stages.metrics.enlarged.Frame`): maps of any scale and offset score alike.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 65536  # one for each float16
REACH = 2.0**15  # largest value that is binned: from there float16 has 29 octaves of full precision
COARSE_INSIDE, COARSE_OUTSIDE = 512, 256  # see `quantile_bins`
_NEGATIVE_ZERO = 0x7FFF

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Histograms:
    """How the values of pixels are distributed, ascending along the last axis; what lies before it is kept.

    The sum of two histograms is that of the pixels of both.
    """

    inside: NDArray[np.float64]  # (..., bins) pixels of the truth
    outside: NDArray[np.float64]  # (..., bins) all others
    regions: NDArray[np.float64]  # (..., bins) pixels of the truth, each weighing 1 / area of its region


def float16_bins(values: Floats) -> NDArray[np.uint16]:
    """Return the bin 0..65535 of each value rounded to float16: larger values, larger bins; -0 and 0 share one.

    Infinities have bins too; NaN must not get here (`MethodMaps.read` refuses it).

    Args:
        values: any shape, -65504 to 65504.

    >>> float16_bins(np.array([-2.0, -0.0, 0.0, 1.0])).tolist()
    [16383, 32768, 32768, 48128]
    """
    import torch  # converts to half precision several times as fast as NumPy

    halves = torch.from_numpy(np.ascontiguousarray(values, np.float32)).half().view(torch.int16).numpy()
    bits = halves.view(np.uint16)
    # the sign bit is flipped for positive values, all bits for negative ones: integers in the order of the values
    flipped = (halves >> 15).view(np.uint16) | np.uint16(0x8000)
    bins: NDArray[np.uint16] = np.bitwise_xor(bits, flipped, out=flipped)
    bins += bins == _NEGATIVE_ZERO
    return bins


def quantile_bins(
    histograms: Histograms, inside: int = COARSE_INSIDE, outside: int = COARSE_OUTSIDE
) -> NDArray[np.intp]:
    """Return (bins,) the coarse bin 0.. of each bin, ascending, so that scores of coarse histograms stay close.

    A coarse bin holds about 1 / `inside` of the pixels inside and 1 / `outside` of those outside at most, unless one
    value has more, and begins with a pixel inside or outside, never with an empty bin. Average precision, which counts
    all pixels of a bin at the precision of its lowest, then falls short of the exact one by about 1 / (2 `inside`) at
    most, and not at all where there are fewer pixels inside than bins for them.

    Args:
        histograms: (bins,) of all tiles.
        inside, outside: how many parts; there are fewer than inside + outside bins.

    >>> quantile_bins(Histograms(np.array([1, 0, 0, 3]), np.array([0, 0, 4, 0]), np.zeros(4)), 3, 2).tolist()
    [0, 0, 1, 2]
    """
    shares = []
    for part, count in ((histograms.inside, inside), (histograms.outside, outside)):
        total = part.sum()
        shares.append(np.ceil(np.cumsum(part) / total * (count - 1)) if total > 0 else np.zeros(len(part)))
    _, coarse = np.unique(shares[0] + shares[1], return_inverse=True)
    return coarse.astype(np.intp)


def from_above(histogram: Floats) -> NDArray[np.float64]:
    """Return how much lies in a bin or above it, highest bin first.

    >>> from_above(np.array([5, 0, 2])).tolist()
    [2.0, 2.0, 7.0]
    """
    return np.cumsum(np.flip(np.asarray(histogram, np.float64), -1), axis=-1)


def divide(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    """Return part / whole, NaN where the whole is not above 0.

    >>> divide(np.array([1, 1]), np.array([4, 0])).tolist()
    [0.25, nan]
    """
    quotient = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), math.nan)
    np.divide(part, whole, out=quotient, where=np.asarray(whole) > 0)
    return quotient
