"""Area under the per-region overlap curve of pooled pixels (Bergmann et al. 2021, MVTec AD)."""

import numpy as np
from numpy.typing import NDArray

from stages.metrics.histograms import Histograms, divide, from_above

FPR_LIMIT = 0.3  # false positive rate that the curve is taken up to (Bergmann et al. 2021)


def aupro(pixels: Histograms, fpr_limit: float = FPR_LIMIT) -> NDArray[np.float64]:
    """Return the area under the per-region overlap curve up to a false positive rate, divided by that rate.

    The overlap at a threshold is the mean over the truth's regions (8-connected) of the share of the region that is
    above it; the false positive rate is the share of pixels outside all regions (anomalib's AUPRO is the same). The
    curve is linear between thresholds and cut at the limit.

    Args:
        fpr_limit: 0 < limit <= 1.

    Returns:
        (...) 0..1; NaN where there is no region or no pixel outside.

    Two regions of one pixel each: half of the overlap is reached at a rate of 1/2, the rest only at the end.

    >>> inside, outside = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    >>> float(aupro(Histograms(inside, outside, inside), fpr_limit=1.0))
    0.375
    """
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit is {fpr_limit}; expected above 0, at most 1")
    overlap, rate = from_above(pixels.regions), from_above(pixels.outside)
    overlap = divide(overlap, overlap[..., -1:])
    rate = divide(rate, rate[..., -1:])
    start = np.zeros((*overlap.shape[:-1], 1))
    overlap, rate = np.concatenate([start, overlap], -1), np.concatenate([start, rate], -1)
    # each step's part left of the limit is a trapezium that ends on the line between its two points
    step = np.diff(rate, axis=-1)
    kept = np.clip(fpr_limit - rate[..., :-1], 0, step)
    rise = np.diff(overlap, axis=-1) * np.nan_to_num(divide(kept, step))
    return np.sum(kept * (overlap[..., :-1] + rise / 2), axis=-1) / fpr_limit
