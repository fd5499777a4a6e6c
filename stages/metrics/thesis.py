"""The thesis' segmentation scores (section 2.5): its rule that makes masks of heatmaps, and scores of pooled pixels.

Counts are taken per tile and pooled afterwards, so that the order of tiles never matters and a subset of them (a split,
a bootstrap sample) is a sum over rows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from stages.metrics.table import PixelCounts, metrics_of

_RATIOS = {name: own for name, own in metrics_of(PixelCounts).items() if not own.masks}
PIXEL_SCORES = tuple(_RATIOS)

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def scale_to_255(heatmaps: Floats) -> NDArray[np.float32]:
    """Scale each heatmap to 0..255 by its own minimum and maximum, 255 (v - min) / (max - min).

    Args:
        heatmaps: (n, H, W), finite, any range.

    Returns:
        (n, H, W) 0..255; a constant heatmap has no scale and becomes 0, which no threshold calls defective.
    """
    flat = np.asarray(heatmaps, np.float32).reshape(len(heatmaps), -1)
    low = flat.min(axis=1, keepdims=True)
    span = flat.max(axis=1, keepdims=True) - low
    scaled: NDArray[np.float32] = flat - low
    scaled *= np.float32(255)
    scaled /= np.where(span > 0, span, np.float32(1))
    return np.minimum(scaled, np.float32(255), out=scaled).reshape(heatmaps.shape)


def thesis_prediction(
    heatmaps: Floats,
    probability: Floats,
    intensity_threshold: float = 127,
    probability_threshold: float = 0.5,
) -> Bools:
    """Turn heatmaps into predicted masks by the thesis' rule (section 2.5.1).

    A pixel is predicted where its heatmap, scaled by `scale_to_255`, is above `intensity_threshold`. A tile whose
    probability is not above `probability_threshold` is predicted good: its mask is black. So is a constant heatmap's.

    Args:
        heatmaps: (n, H, W), any range.
        probability: (n,) the classifier's probability of a defect, 0..1.

    Returns:
        (n, H, W) true where a defect is predicted.
    """
    return (scale_to_255(heatmaps) > intensity_threshold) & (probability > probability_threshold)[:, None, None]


def pixel_counts(prediction: Bools, truth: Bools) -> NDArray[np.int64]:
    """Count the pixels of each tile: (n, H, W) twice -> (n, 4), the columns TP, FP, FN, TN."""
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction is {prediction.shape}, truth is {truth.shape}")
    return counts_of(_count(prediction & truth), _count(prediction), _count(truth), math.prod(prediction.shape[1:]))


def counts_of(
    both: NDArray[np.integer], predicted: NDArray[np.integer], true: NDArray[np.integer], area_px: int
) -> NDArray[np.int64]:
    """Return (..., 4) TP, FP, FN, TN of the pixels that are both, predicted and true, of `area_px` a tile."""
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
    """
    pooled = np.asarray(counts).reshape(-1, 4).sum(axis=0).tolist()

    def weighted(weights: tuple[int, ...]) -> int:
        return sum(weight * count for weight, count in zip(weights, pooled, strict=True))

    return {name: _ratio(weighted(own.above), weighted(own.below)) for name, own in _RATIOS.items()}


def mean_iou(counts: NDArray[np.integer]) -> dict[str, float]:
    """Return intersection over union of pooled counts: of the defect, of the background, and the mean of the two.

    `foreground_iou` is the thesis' jaccard, TP / (TP + FP + FN); `background_iou` is TN / (TN + FP + FN). Published
    "mIoU" is mostly `mean_iou`, which is high wherever defects are small: state which one is meant.

    Args:
        counts: (4,) or (n, 4) TP, FP, FN, TN; rows are added up first.

    Returns:
        0..1; NaN where a denominator is 0 (`mean_iou` where either is).
    """
    tp, fp, fn, tn = (int(count) for count in np.asarray(counts).reshape(-1, 4).sum(axis=0))
    foreground, background = _ratio(tp, tp + fp + fn), _ratio(tn, tn + fp + fn)
    return {
        "foreground_iou": foreground,
        "background_iou": background,
        "mean_iou": (foreground + background) / 2,
    }


def _count(masks: Bools) -> NDArray[np.int64]:
    # counting tile by tile takes a third of the time of a sum over axes
    return np.array([np.count_nonzero(mask) for mask in masks], np.int64)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
