"""What is usual on tiles that the model was not trained on: the statistics that a reader holds new photographs against.

Of all validation tiles, defective ones too: with good ones alone defects look like drift, and drift no more so than
before (docs/inspect.md has the numbers). Their share of defective ones is that of the split
(`split.good_per_defective`), not that of a factory's line.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.exports.metadata import Reference, Statistics, Thresholds
from stages.metrics.thesis import scale_to_255

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LEAST_STD = 1e-3  # of a feature, relative to the mean of all: one that never varies would make any tile strange
DIGITS = 7  # significant, of the numbers that are kept

Floats = NDArray[np.floating]


def reference_of(
    outputs: Mapping[str, Floats], pixels: Mapping[str, Floats], classes: tuple[str, ...], thresholds: Thresholds
) -> Reference:
    """Return the statistics of n tiles.

    Args:
        outputs: of the graph, each of n tiles.
        pixels: `brightness` and `sharpness` of them.
        classes: of the classifier.
        thresholds: decision and heatmap.
    """
    probability = defect_probability(outputs["probability"], classes)
    features = outputs["features"].astype(np.float64)
    mean, std = features.mean(axis=0), features.std(axis=0)
    std = np.maximum(std, LEAST_STD * std.mean() + np.finfo(np.float32).tiny)
    distance = np.sqrt((((features - mean) / std) ** 2).mean(axis=1))
    lit = lit_shares(outputs["heatmap"], probability, thresholds)
    return Reference(
        "val",
        len(probability),
        statistics(probability),
        statistics(lit),
        statistics(pixels["brightness"]),
        statistics(pixels["sharpness"]),
        statistics(distance),
        tuple(map(_rounded, mean)),
        tuple(map(_rounded, std)),
    )


def defect_probability(probability: Floats, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return (n,) the probability of a defect, of the output `probability` (n,) or (n, K).

    Of several classes it is 1 - that of good; 1 where no class is good.

    >>> defect_probability(np.array([[0.25, 0.5, 0.25]]), ("good", "hole", "short")).tolist()
    [0.75]
    """
    values = probability.astype(np.float64)
    if values.ndim == 1:
        return values
    return 1 - values[:, classes.index("good")] if "good" in classes else np.ones(len(values))


def lit_shares(heatmaps: Floats, probability: Floats, thresholds: Thresholds) -> NDArray[np.float64]:
    """Return (n,) the share of the cells (n, rows, columns) that are above the threshold within their map's range.

    0 where a tile is not called defective, and for a constant map.
    """
    lit = (scale_to_255(heatmaps) > thresholds.heatmap_level).mean(axis=(1, 2))
    return np.where(probability > thresholds.decision, lit, 0.0)


def picture_statistics(tiles: NDArray[np.uint8]) -> dict[str, Floats]:
    """Return `brightness` and `sharpness`, (n,) each, of tiles (n, px, px, 3) RGB.

    brightness = mean grey / 255; sharpness = variance of the Laplacian of the grey picture (Pech-Pacheco et al. 2000,
    Diatom autofocusing in brightfield microscopy), which falls when a lens is out of focus.
    """
    grey = [cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY) for tile in tiles]
    return {
        "brightness": np.array([picture.mean() / 255 for picture in grey]),
        "sharpness": np.array([cv2.Laplacian(picture, cv2.CV_32F).var() for picture in grey], np.float64),
    }


def statistics(values: Floats) -> Statistics:
    """Return mean, population standard deviation and quantiles of (n,) values."""
    quantiles = {f"{share:g}": _rounded(np.quantile(values, share)) for share in QUANTILES}
    return Statistics(_rounded(values.mean(dtype=np.float64)), _rounded(values.std(dtype=np.float64)), quantiles)


def _rounded(value: float | np.floating) -> float:
    return float(f"{float(value):.{DIGITS}g}")
