"""Does the model itself use what a heatmap marks? Needs no mask (Petsiuk et al. 2018, RISE, section 4.2).

Deletion: pixels are replaced by a fill from the most relevant to the least, and the probability of a defect is
followed; the area under that curve is low where the heatmap marks what the model uses. Insertion: pixels return to the
filled tile in the same order; high is good. What the fill looks like to the model matters, so there are two: the
tile's mean colour, and the tile blurred. Sufficiency: what is left of the probability when only a region stays.

Deviations from RISE: fractions of the tile instead of a fixed number of pixels a step; the mean in place of black or
grey, because black is itself unusual on a board.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from stages.metrics.clusters import ClusterParts, ratio_parts, tile_sums
from stages.metrics.intervals import UNIT, Jackknife, shares_of

GAINS = ("deletion", "insertion")
GAIN_BOUNDS = (-1.0, 1.0)  # a gain is a difference of two areas in 0..1
SHARE_BOUNDS = (0.0, math.inf)  # a region alone can be surer than the whole tile

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Predict = Callable[[Pixels], NDArray[np.float64]]  # (n, H, W, 3) -> (n,) probability, of the n tiles in their order

BLUR = 1 / 16  # standard deviation of the blur as a fraction of the tile's side: 14 px at 224, no defect stays visible


def filled(pixels: Pixels, fill: str) -> Pixels:
    """Return tiles with everything replaced.

    Args:
        pixels: (n, H, W, 3) RGB.
        fill: "mean": each tile's mean colour | "blur": the tile after a Gaussian blur of standard deviation H / 16 px,
            edges reflected.
    """
    if fill == "mean":
        means = pixels.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
        return np.broadcast_to(means, pixels.shape).copy()
    sigma = BLUR * pixels.shape[1]
    return np.stack([cv2.GaussianBlur(tile, (0, 0), sigma) for tile in pixels])


def relevance_ranks(heatmaps: Floats) -> NDArray[np.int64]:
    """Return (n, H, W) the place of each pixel of (n, H, W) heatmaps, 0 for the most relevant.

    Of equal pixels the first in reading order comes first, so a constant map has no order of its own: see `ordered`.

    >>> relevance_ranks(np.array([[[0.1, 0.9], [0.5, 0.5]]])).tolist()
    [[[3, 0], [1, 2]]]
    """
    ranks = rankdata(-heatmaps.reshape(len(heatmaps), -1), method="ordinal", axis=1)
    return ranks.reshape(heatmaps.shape) - 1


def ordered(heatmaps: Floats) -> Bools:
    """Return (n,) whether each of (n, H, W) heatmaps orders pixels at all: false for a constant one.

    >>> ordered(np.array([[[1.0, 1.0]], [[1.0, 1.5]]])).tolist()
    [False, True]
    """
    return heatmaps.max(axis=(1, 2)) > heatmaps.min(axis=(1, 2))


def top_pixels(ranks: NDArray[np.integer], counts: int | NDArray[np.integer]) -> Bools:
    """Return (n, H, W) true for the most relevant pixels.

    Args:
        ranks: (n, H, W) as `relevance_ranks` returns them.
        counts: how many, one number for all tiles or (n,).

    >>> top_pixels(np.array([[[3, 0], [1, 2]]]), 2).tolist()
    [[[False, True], [True, False]]]
    """
    return ranks < np.broadcast_to(np.asarray(counts), len(ranks))[:, None, None]


def step_counts(area_px: int, steps: int) -> NDArray[np.int64]:
    """Return (steps + 1,) how many pixels are changed at each step: 0 to all of them, evenly spaced.

    >>> step_counts(10, 4).tolist()
    [0, 2, 5, 8, 10]
    """
    return np.round(np.linspace(0, area_px, steps + 1)).astype(np.int64)


def compose(inside: Bools, pixels: Pixels, fill: Pixels) -> Pixels:
    """Return (n, H, W, 3): `pixels` where `inside` (n, H, W), `fill` elsewhere."""
    return np.where(inside[..., None], pixels, fill)


def curve_area(probabilities: Floats) -> Floats:
    """Return (n,) the area under (n, steps + 1) evenly spaced curves by the trapezoid rule, over 0..1.

    NaN where a curve holds one. The sum is taken as it is and not by `numpy.trapezoid`, which rounds otherwise.

    >>> curve_area(np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])).tolist()
    [0.5, 1.0]
    """
    inner = probabilities[:, 1:-1].sum(axis=1)
    ends = (probabilities[:, 0] + probabilities[:, -1]) / 2
    area: Floats = (inner + ends) / (probabilities.shape[1] - 1)
    return area


def gain_over_random(areas: Any, curve: str) -> Floats:
    """Return (n,) by how much a heatmap's curve is better than a random map's on the same tile and model.

    deletion: random map's area - heatmap's area (a lower curve is better); insertion: heatmap's area - random map's.
    Above 0 the heatmap marks what the model uses more than chance does; models of different confidence become
    comparable.

    Args:
        areas: mapping or table: curve name and "random_" + curve name -> (n,) areas under the curves; NaN: undefined.
        curve: one of `GAINS`.

    >>> gain_over_random({"deletion": [0.25], "random_deletion": [0.5]}, "deletion").tolist()
    [0.25]
    """
    gain: Floats = np.asarray(areas[curve]) - np.asarray(areas[f"random_{curve}"])
    return -gain if curve == "deletion" else gain


def order_flips(verdicts: Mapping[str, str], fills: Sequence[str]) -> dict[str, str]:
    """Return curve -> yes | no | undecided: whether another family leads under another fill.

    yes: one leads under one fill, the other under another; no: the same leads under all; undecided where neither can be
    said, because a lead may be chance or the clusters are too few.

    Args:
        verdicts: "<curve>_<fill>" -> cnn | vit | anything else, for each of `GAINS` and `fills`.
        fills: under which to compare.

    >>> verdicts = {"deletion_mean": "cnn", "deletion_blur": "vit", "insertion_mean": "cnn", "insertion_blur": "cnn"}
    >>> order_flips(verdicts, ["mean", "blur"])
    {'deletion': 'yes', 'insertion': 'no'}
    """
    flips = {}
    for curve in GAINS:
        leaders = [verdicts[f"{curve}_{fill}"] for fill in fills]
        known = {"cnn", "vit"} & set(leaders)
        flips[curve] = "yes" if len(known) == 2 else "no" if len(known) == 1 == len(set(leaders)) else "undecided"
    return flips


def perturbation_curves(
    pixels: Pixels, heatmaps: Floats, fill: Pixels, steps: int, predict: Predict
) -> dict[str, Floats]:
    """Follow the probability while pixels go (deletion) and come back (insertion) in the order of relevance.

    Args:
        pixels: (n, H, W, 3) tiles.
        heatmaps: (n, H, W).
        fill: (n, H, W, 3) what replaces pixels.
        steps: points besides the first.

    Returns:
        "deletion" and "insertion" -> (n, steps + 1) probabilities; NaN on tiles whose heatmap is constant.
    """
    ranks = relevance_ranks(heatmaps)
    counts = step_counts(heatmaps[0].size, steps)
    curves = {
        "deletion": [predict(compose(~top_pixels(ranks, count), pixels, fill)) for count in counts],
        "insertion": [predict(compose(top_pixels(ranks, count), pixels, fill)) for count in counts],
    }
    defined = ordered(heatmaps)[:, None]
    return {name: np.where(defined, np.stack(points, axis=1), math.nan) for name, points in curves.items()}


def kept_probability(pixels: Pixels, kept: Bools, fill: Pixels, predict: Predict) -> Floats:
    """Return (n,) the probability when only the region `kept` (n, H, W) stays; NaN where it is empty.

    Args:
        pixels: (n, H, W, 3) the tiles.
        kept: (n, H, W) true stays.
        fill: (n, H, W, 3) what replaces all else.
        predict: tiles -> (n,) probability.
    """
    return np.where(kept.any(axis=(1, 2)), predict(compose(kept, pixels, fill)), math.nan)


def gain_parts(areas: Any, curve: str, clusters: ArrayLike) -> ClusterParts:
    """Take the mean gain over a random map (`gain_over_random`) apart by the clusters (n,) of the tiles."""
    return ratio_parts(clusters, *tile_sums("gain", {"gain": gain_over_random(areas, curve)}))


def faithfulness_scores(columns: Mapping[str, Floats], clusters: ArrayLike) -> dict[str, Any]:
    """Summarise n tiles of one explanation under one fill, with 95% intervals (`stages.metrics.intervals`).

    Args:
        columns: (n,) `probability` of the whole tiles; `deletion`, `insertion`, `kept` and the same of a random map
            under `random_...`.
        clusters: (n,) name of each tile's cluster.

    Returns:
        Score -> value, low, high, clusters: `deletion` and `insertion` (mean areas), `deletion_gain` and
        `insertion_gain` (over the random map, higher is better), `sufficiency` = sum kept / sum probability over tiles
        with a region, and the same of a random region of equal area, `random_sufficiency`. Besides, `undefined`: the
        number of tiles whose heatmap is constant.
    """
    parts = {name: (ratio_parts(clusters, *tile_sums(name, columns)), UNIT) for name in GAINS}
    parts |= {f"{name}_gain": (gain_parts(columns, name, clusters), GAIN_BOUNDS) for name in GAINS}
    for name, kept in (("sufficiency", columns["kept"]), ("random_sufficiency", columns["random_kept"])):
        defined = ~np.isnan(kept)
        sums = np.where(defined, kept, 0.0), np.where(defined, columns["probability"], 0.0)
        parts[name] = ratio_parts(clusters, *sums), SHARE_BOUNDS
    scores: dict[str, Any] = {"undefined": int(np.isnan(columns["deletion"]).sum())}
    for name, (ratio, bounds) in parts.items():
        score = Jackknife(np.asarray(ratio.value), ratio.without_each(), shares_of(ratio.weights), bounds)
        low, high = score.interval()
        scores[name] = {"value": ratio.value, "low": float(low), "high": float(high), "clusters": int(score.clusters)}
    return scores
