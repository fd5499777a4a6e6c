"""Does the model itself use what a heatmap marks? Needs no mask (Petsiuk et al. 2018, RISE, section 4.2).

Deletion: pixels are replaced by a fill from the most relevant to the least, and the probability of a defect is
followed; the area under that curve is low where the heatmap marks what the model uses. Insertion: pixels return to the
filled tile in the same order; high is good. What the fill looks like to the model matters, so there are two: the
tile's mean colour, and the tile blurred. Sufficiency: what is left of the probability when only a region stays.

Deviations from RISE: fractions of the tile instead of a fixed number of pixels a step; the mean in place of black or
grey, because black is itself unusual on a board.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

FILLS = ("mean", "blur")
GAINS = ("deletion", "insertion")

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

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
    if fill == "blur":
        sigma = BLUR * pixels.shape[1]
        return np.stack([cv2.GaussianBlur(tile, (0, 0), sigma) for tile in pixels])
    raise ValueError(f"unknown fill {fill!r}; known: {', '.join(FILLS)}")


def relevance_ranks(heatmaps: Floats) -> NDArray[np.int64]:
    """Return (n, H, W) the place of each pixel of (n, H, W) heatmaps, 0 for the most relevant.

    Of equal pixels the first in reading order comes first, so a constant map has no order of its own: see `ordered`.
    """
    flat = heatmaps.reshape(len(heatmaps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None, :], axis=1)
    return ranks.reshape(heatmaps.shape)


def ordered(heatmaps: Floats) -> Bools:
    """Return (n,) whether each heatmap orders pixels at all: false for a constant one."""
    return heatmaps.max(axis=(1, 2)) > heatmaps.min(axis=(1, 2))


def top_pixels(ranks: NDArray[np.integer], counts: int | NDArray[np.integer]) -> Bools:
    """Return (n, H, W) true for the `counts` most relevant pixels, one count for all or (n,)."""
    return ranks < np.broadcast_to(np.asarray(counts), len(ranks))[:, None, None]


def step_counts(area_px: int, steps: int) -> NDArray[np.int64]:
    """Return (steps + 1,) how many pixels are changed at each step: 0 to all of them, evenly spaced."""
    return np.round(np.linspace(0, area_px, steps + 1)).astype(np.int64)


def compose(inside: Bools, pixels: Pixels, fill: Pixels) -> Pixels:
    """Return (n, H, W, 3): `pixels` where `inside` (n, H, W), `fill` elsewhere."""
    return np.where(inside[..., None], pixels, fill)


def curve_area(probabilities: Floats) -> Floats:
    """Return (n,) the area under (n, steps + 1) evenly spaced curves by the trapezoid rule, over 0..1.

    NaN where a curve holds one.
    """
    inner = probabilities[:, 1:-1].sum(axis=1)
    ends = (probabilities[:, 0] + probabilities[:, -1]) / 2
    area: Floats = (inner + ends) / (probabilities.shape[1] - 1)
    return area


def gain_over_random(areas: Mapping[str, Floats], curve: str) -> Floats:
    """Return (n,) by how much a heatmap's curve is better than a random map's on the same tile and model.

    deletion: random area - own area (a lower curve is better); insertion: own area - random area. Above 0 the heatmap
    marks what the model uses more than chance does; models of different confidence become comparable.

    Args:
        areas: curve name and "random_" + curve name -> (n,) areas under the curves, NaN where undefined.
        curve: one of `GAINS`.
    """
    gain: Floats = areas[curve] - areas[f"random_{curve}"]
    return -gain if curve == "deletion" else gain
