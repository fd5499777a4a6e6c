"""From heatmaps to masks: rules for the threshold, chosen on validation tiles only, and the oracle beside them.

Every tile's heatmap is scaled to 0..255 by its own minimum and maximum, as the thesis does, and its pixels are counted
by level (the scaled value rounded up, so that "above t" is the same for the value and its level for every whole t).
From those 256 counts follow the masks' counts at any threshold, without looking at a pixel again. Thresholds that a
rule puts between two levels are rounded down.

    fixed       scaled value > 127, the thesis' rule
    otsu        the threshold of each tile that best parts its levels in two (Otsu 1979)
    fraction    raw value > f max, f of `FRACTIONS` with the highest IoU on validation
    validation  one level for all tiles, with the highest IoU on validation
    oracle      one level for all tiles, with the highest IoU on the tiles that are scored: what no user can know. The
                most that one level can reach; `otsu` and `fraction` have a level for each tile and may exceed it

A tile that is not shown (its probability is at or below the threshold) and a constant heatmap are black by every rule.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import upsample
from stages.metrics.thesis import counts_of, mean_iou, pixel_scores, scale_to_255

LEVELS = 256
FRACTIONS = tuple(step / 20 for step in range(1, 20))  # 0.05 .. 0.95
RULES = ("fixed", "otsu", "fraction", "validation")
_TOP = LEVELS - 1  # nothing is above it: black

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Levels:
    """The pixels of n tiles under one setting, counted by level."""

    every: NDArray[np.int64]  # (n, 256) all pixels
    inside: dict[str, NDArray[np.int64]]  # name of the truth -> (n, 256) pixels inside it
    low: NDArray[np.float32]  # (n,) smallest value of the heatmap at tile size
    high: NDArray[np.float32]  # (n,) largest

    def counts(self, truth: str, threshold: NDArray | float, shown: Bools) -> NDArray[np.int64]:
        """Return (n, 4) TP, FP, FN, TN of "level above threshold"; `threshold` is one whole number or (n,) of them."""
        above = np.arange(LEVELS) > np.broadcast_to(threshold, len(self.every))[:, None]
        above &= (shown & (self.high > self.low))[:, None]
        inside = self.inside[truth]
        return _area_counts((inside * above).sum(1), (self.every * above).sum(1), inside.sum(1), self.every.sum(1))


@dataclass(frozen=True)
class Thresholded:
    """What a rule gave: the value it chose (NaN where it chooses for each tile) and the counts of all n tiles."""

    threshold: float  # level 0..255, or a fraction of the maximum
    levels: NDArray[np.float64]  # (n,) the level that a pixel must be above; NaN where nothing could be chosen
    counts: NDArray[np.int64]  # (n, 4) TP, FP, FN, TN; all 0 there

    def scores(self, rows: Bools) -> dict[str, float]:
        """Return the pooled `pixel_scores` and `mean_iou` of the selected tiles."""
        return {**pixel_scores(self.counts[rows]), **mean_iou(self.counts[rows])}


def count_levels(
    maps: Floats, truths: Mapping[str, Bools], px: int, cell_px: float | None = None, offset_px: float = 0.0
) -> Levels:
    """Count the levels of a few tiles under one setting.

    Args:
        maps: (n, h, w) heatmaps at native resolution.
        truths: name of the truth -> (n, px, px) mask.
        px, cell_px, offset_px: see `stages.metrics.geometry`.
    """
    heatmaps = upsample(maps, px, cell_px, offset_px).reshape(len(maps), -1)
    tile = np.arange(len(maps), dtype=np.int32)[:, None] * LEVELS
    scaled = scale_to_255(heatmaps)
    places = np.ceil(scaled, out=scaled).astype(np.int32) + tile

    def counted(chosen: NDArray) -> NDArray[np.int64]:
        return np.bincount(chosen, minlength=len(maps) * LEVELS).reshape(-1, LEVELS)

    inside = {kind: counted(places[truth.reshape(len(maps), -1)]) for kind, truth in truths.items()}
    return Levels(counted(places.ravel()), inside, heatmaps.min(axis=1), heatmaps.max(axis=1))


def join_levels(chunks: list[Levels]) -> Levels:
    """Put the levels of consecutive chunks of tiles into one."""
    return Levels(
        np.concatenate([chunk.every for chunk in chunks]),
        {kind: np.concatenate([chunk.inside[kind] for chunk in chunks]) for kind in chunks[0].inside},
        np.concatenate([chunk.low for chunk in chunks]),
        np.concatenate([chunk.high for chunk in chunks]),
    )


def apply_rules(
    levels: Levels, truth: str, shown: Bools, validation: Bools, fixed: int = 127
) -> dict[str, Thresholded]:
    """Apply every rule of `RULES`; where a rule chooses, it sees the validation tiles only.

    Args:
        truth: the truth that is counted, and chosen by.
        shown: (n,) the probability of a defect is above its threshold.
        validation: (n,) the tiles to choose by. Without truth on any of them the rules that choose give NaN as
            threshold and count no pixel, so that every score of theirs is undefined.
        fixed: level of the fixed rule.
    """

    def by(value: float, thresholds: NDArray | float) -> Thresholded:
        thresholds = np.broadcast_to(np.asarray(thresholds, np.float64), len(levels.every))
        return Thresholded(value, thresholds, levels.counts(truth, thresholds, shown))

    fraction, level = best_fraction(levels, truth, shown, validation), best_level(levels, truth, shown, validation)
    nothing = Thresholded(math.nan, np.full(len(levels.every), math.nan), np.zeros((len(levels.every), 4), np.int64))
    return {
        "fixed": by(fixed, fixed),
        "otsu": by(math.nan, otsu_levels(levels.every)),
        "fraction": nothing if math.isnan(fraction) else by(fraction, fraction_levels(levels, fraction)),
        "validation": nothing if math.isnan(level) else by(level, level),
    }


def oracle(levels: Levels, truth: str, shown: Bools, scored: Bools) -> Thresholded:
    """Return the best level for all tiles on the very tiles that are scored: what one level can reach, no result."""
    level = best_level(levels, truth, shown, scored)
    threshold = _TOP if math.isnan(level) else level
    return Thresholded(level, np.full(len(levels.every), float(threshold)), levels.counts(truth, threshold, shown))


def scores_by_threshold(levels: Levels, truth: str, shown: Bools, rows: Bools) -> list[dict[str, float]]:
    """Return the pooled `pixel_scores` of the selected tiles with each level 0..254 as threshold of all tiles."""
    visible = rows & shown & (levels.high > levels.low)
    inside, every = levels.inside[truth], levels.every
    both, predicted = (_above(pixels[visible].sum(axis=0)).astype(np.int64) for pixels in (inside, every))
    counts = counts_of(both, predicted, inside[rows].sum(), int(every[rows].sum()))
    return [pixel_scores(own) for own in counts]


def best_level(levels: Levels, truth: str, shown: Bools, rows: Bools) -> float:
    """Return the level 0..254 with the highest pooled IoU on the selected tiles.

    Of equal ones the lowest; NaN without truth.
    """
    visible = rows & shown & (levels.high > levels.low)
    inside, every = levels.inside[truth], levels.every[visible].sum(axis=0)
    total = int(inside[rows].sum())
    if not total:
        return math.nan
    both = _above(inside[visible].sum(axis=0))
    return float(np.argmax(both / (total + _above(every) - both)))


def best_fraction(levels: Levels, truth: str, shown: Bools, rows: Bools) -> float:
    """Return the fraction of `FRACTIONS` with the highest pooled IoU on the selected tiles; NaN without truth."""
    if not levels.inside[truth][rows].any():
        return math.nan
    ious = [
        pixel_scores(levels.counts(truth, fraction_levels(levels, fraction), shown)[rows])["jaccard"]
        for fraction in FRACTIONS
    ]
    return FRACTIONS[int(np.argmax(ious))]


def fraction_levels(levels: Levels, fraction: float) -> NDArray[np.float64]:
    """Return (n,) the level that `fraction` of each raw heatmap's maximum lies in; -1 where every pixel is above it.

    Raw values, unlike scaled ones, have a zero of their own. A heatmap without a positive value is black.
    """
    span = np.where(levels.high > levels.low, levels.high - levels.low, 1).astype(np.float64)
    level = np.floor(_TOP * (fraction * levels.high.astype(np.float64) - levels.low) / span)
    return np.where(levels.high > 0, np.clip(level, -1, _TOP), _TOP)


def otsu_levels(every: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each tile's Otsu threshold (Otsu 1979) from its level counts (n, 256): the largest variance between parts.

        w0(t) w1(t) (mu0(t) - mu1(t))^2,  part 0: levels <= t, part 1: levels above

    Of equal ones the lowest level, as scikit-image does. One level everywhere cannot be parted: black.
    """
    counts = every.astype(np.float64)
    weight = np.cumsum(counts, axis=1)
    moment = np.cumsum(counts * np.arange(LEVELS), axis=1)
    total, moments = weight[:, -1:], moment[:, -1:]
    rest = total - weight
    parted = (weight > 0) & (rest > 0)
    difference = np.zeros(counts.shape)
    np.divide(moment * total - moments * weight, weight * rest, out=difference, where=parted)
    between = np.where(parted, weight * rest * difference**2, -1)
    return np.where(parted.any(axis=1), between.argmax(axis=1), _TOP).astype(np.float64)


def _above(histogram: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return how much lies above each level but the highest: (256,) -> (255,)."""
    return np.cumsum(histogram[::-1])[::-1][1:].astype(np.float64)


def _area_counts(both: NDArray, predicted: NDArray, true: NDArray, area: NDArray) -> NDArray[np.int64]:
    counts = counts_of(both, predicted, true, 0)
    counts[:, 3] += area
    return counts
