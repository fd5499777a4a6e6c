"""The thesis' rule that makes masks of heatmaps (section 2.5.1)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def scale_to_255(heatmaps: Floats) -> NDArray[np.float32]:
    """Scale each heatmap to 0..255 by its own minimum and maximum, 255 (v - min) / (max - min).

    Args:
        heatmaps: (n, ...), finite, any range; mostly (n, H, W).

    Returns:
        The same shape, 0..255; a constant heatmap has no scale and becomes 0, which no threshold calls defective.

    >>> scale_to_255(np.array([[[-1.0, 0.0, 1.0]]])).tolist()
    [[[0.0, 127.5, 255.0]]]
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

    >>> thesis_prediction(np.array([[[-1.0, 0.0, 1.0]]] * 2), np.array([0.9, 0.1])).tolist()
    [[[False, True, True]], [[False, False, False]]]
    """
    return (scale_to_255(heatmaps) > intensity_threshold) & (probability > probability_threshold)[:, None, None]
