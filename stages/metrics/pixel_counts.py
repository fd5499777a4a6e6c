"""Scores of counted pixels: the thesis' (section 2.5), and intersection over union of defect and background.

Pixels are counted per tile and pooled afterwards, so that the order of tiles never matters and a subset of them (a
split, a bootstrap sample) is a sum over rows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from stages.metrics.table import PIXEL_SCORES, PixelCounts, metrics_of

Counts = NDArray[np.integer] | int


def counts_of(
    both: NDArray[np.integer],
    predicted: NDArray[np.integer],
    true: NDArray[np.integer],
    area_px: int | NDArray[np.integer],
) -> NDArray[np.int64]:
    """Return (..., 4) TP, FP, FN, TN of the pixels that are both, predicted and true, of `area_px` a tile.

    Args:
        both: (...) pixels that are predicted and true.
        predicted, true: (...) pixels that are the one or the other.
        area_px: all pixels of a tile.

    >>> counts_of(np.array([2]), np.array([3]), np.array([5]), 9).tolist()
    [[2, 1, 3, 3]]
    """
    columns = (both, predicted - both, true - both, area_px - predicted - true + both)
    return np.stack(np.broadcast_arrays(*columns), axis=-1).astype(np.int64)


def pixel_scores(counts: NDArray[np.integer]) -> dict[str, float]:
    """Return the pixel scores of `stages.metrics.table` from pooled counts: the thesis', and what else is there.

    precision = TP / (TP + FP) (2.3), recall = TP / (TP + FN) (2.4), f1 = 2 TP / (2 TP + FP + FN) (2.5),
    jaccard = TP / (TP + FP + FN) (2.6), accuracy = (TP + TN) / (TP + TN + FP + FN) (2.7).
    Written with counts, F1 is (2.5) wherever that is defined, and jaccard = f1 / (2 - f1) always.

    Args:
        counts: (4,) or (n, 4) TP, FP, FN, TN; rows are added up first.

    Returns:
        One value 0..1 per name of `PIXEL_SCORES`; NaN where the denominator is 0.

    >>> pixel_scores(np.array([[2, 1, 1, 6], [0, 0, 1, 9]]))
    {'f1': 0.5714285714285714, 'precision': 0.6666666666666666, 'jaccard': 0.4, 'accuracy': 0.85, 'recall': 0.5}
    """
    pooled = np.asarray(counts).reshape(-1, 4).sum(axis=0).tolist()

    def weighted(weights: tuple[int, ...]) -> int:
        return sum(weight * count for weight, count in zip(weights, pooled, strict=True))

    ratios = metrics_of(PixelCounts)
    return {name: _ratio(weighted(ratios[name].above), weighted(ratios[name].below)) for name in PIXEL_SCORES}


def mean_iou(counts: NDArray[np.integer]) -> dict[str, float]:
    """Return intersection over union of pooled counts: of the defect, of the background, and the mean of the two.

    `foreground_iou` is the thesis' jaccard, TP / (TP + FP + FN); `background_iou` is TN / (TN + FP + FN). Published
    "mIoU" is mostly `mean_iou`, which is high wherever defects are small: state which one is meant.

    Args:
        counts: (4,) or (n, 4) TP, FP, FN, TN; rows are added up first.

    Returns:
        0..1; NaN where a denominator is 0 (`mean_iou` where either is).

    >>> mean_iou(np.array([2, 1, 1, 6]))
    {'foreground_iou': 0.5, 'background_iou': 0.75, 'mean_iou': 0.625}
    """
    tp, fp, fn, tn = (int(count) for count in np.asarray(counts).reshape(-1, 4).sum(axis=0))
    foreground, background = _ratio(tp, tp + fp + fn), _ratio(tn, tn + fp + fn)
    return {
        "foreground_iou": foreground,
        "background_iou": background,
        "mean_iou": (foreground + background) / 2,
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
