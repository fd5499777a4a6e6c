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
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.pixel_counts import counts_of, mean_iou, pixel_scores

LEVELS = 256
FRACTIONS = tuple(step / 20 for step in range(1, 20))  # 0.05 .. 0.95
RULES = ("fixed", "otsu", "fraction", "validation")
_TOP = LEVELS - 1  # nothing is above it: black

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Levels:
    """The pixels of n tiles under one setting, counted by level."""

    every: NDArray[np.unsignedinteger]  # (n, 256) all pixels
    inside: dict[str, NDArray[np.unsignedinteger]]  # name of the truth -> (n, 256) pixels inside it
    low: NDArray[np.float32]  # (n,) smallest value of the heatmap at tile size
    high: NDArray[np.float32]  # (n,) largest
    shown: Bools  # (n,) the probability of a defect is above its threshold
    known: Mapping[str, Bools] = field(default_factory=dict)  # name of the truth -> (n,) the tile has it; none: all do

    @property
    def visible(self) -> Bools:
        """(n,) whether the tile is shown and its heatmap not constant: all others are black by every rule."""
        return self.shown & (self.high > self.low)

    def of(self, truth: str) -> "Levels":
        """Return the levels of the tiles that have a truth."""
        if truth not in self.known or self.known[truth].all():
            return self
        known = self.known[truth]
        inside = {truth: self.inside[truth][known]}
        return Levels(self.every[known], inside, self.low[known], self.high[known], self.shown[known])

    def counts(self, truth: str, threshold: NDArray | float) -> NDArray[np.int64]:
        """Return (n, 4) TP, FP, FN, TN of "level above threshold", 0 of tiles without the truth.

        Args:
            truth: name.
            threshold: one whole number or (n,) of them.
        """
        above = np.arange(LEVELS) > np.broadcast_to(threshold, len(self.every))[:, None]
        above &= self.visible[:, None]
        inside, every = self.inside[truth], self.every
        pixels = (inside * above, every * above, inside, every)
        counts = counts_of(*(part.sum(axis=1, dtype=np.int64) for part in pixels))
        return counts * self.known[truth][:, None] if truth in self.known else counts


@dataclass(frozen=True)
class Thresholds:
    """What validation tiles chose for one truth; NaN where none of them has any."""

    level: float  # 0..254
    fraction: float  # of `FRACTIONS`


def count_levels(
    maps: EnlargedMaps, truths: Mapping[str, TruePixels], shown: Bools, known: Mapping[str, Bools] | None = None
) -> Levels:
    """Count the levels of b tiles.

    Args:
        maps, truths: of the same tiles.
        shown: (b,) the probability of a defect is above its threshold.
        known: name of a truth -> (b,) whether the tile has it; None: all do.

    >>> maps = EnlargedMaps(np.array([[[0.0, 1.0], [2.0, 2.0]]]), 2)
    >>> np.flatnonzero(count_levels(maps, {}, np.array([True])).every[0]).tolist()
    [0, 128, 255]
    """
    count, pixels = maps.scaled.shape
    tile = np.arange(count, dtype=np.int32)[:, None] * LEVELS
    places = np.ceil(maps.scaled).astype(np.int32) + tile

    def counted(chosen: NDArray) -> NDArray[np.unsignedinteger]:
        levels = np.bincount(chosen, minlength=count * LEVELS).reshape(-1, LEVELS)
        return levels.astype(np.min_scalar_type(pixels))  # those of all tiles are kept

    inside = {kind: counted(places.reshape(-1)[truth.pixels]) for kind, truth in truths.items()}
    known = {kind: (known or {}).get(kind, np.ones(count, bool)) for kind in truths}
    return Levels(counted(places.ravel()), inside, maps.raw.min(axis=1), maps.raw.max(axis=1), shown, known)


def join_levels(blocks: list[Levels]) -> Levels:
    """Put the levels of consecutive blocks of tiles, one at least, into one."""
    return Levels(
        np.concatenate([block.every for block in blocks]),
        {kind: np.concatenate([block.inside[kind] for block in blocks]) for kind in blocks[0].inside},
        np.concatenate([block.low for block in blocks]),
        np.concatenate([block.high for block in blocks]),
        np.concatenate([block.shown for block in blocks]),
        {kind: np.concatenate([block.known[kind] for block in blocks]) for kind in blocks[0].known},
    )


def choose_thresholds(validation: Levels, truth: str) -> Thresholds:
    """Choose what has the highest pooled IoU on validation tiles, of equal ones the lowest."""
    if not validation.inside[truth].any():
        return Thresholds(math.nan, math.nan)
    counts = [validation.counts(truth, fraction_levels(validation, fraction)) for fraction in FRACTIONS]
    ious = [pixel_scores(by_fraction)["jaccard"] for by_fraction in counts]
    return Thresholds(best_level(validation, truth), FRACTIONS[int(np.argmax(ious))])


def apply_rules(levels: Levels, truth: str, chosen: Thresholds, fixed: int = 127) -> dict[str, NDArray[np.int64]]:
    """Return rule of `RULES` -> (n, 4) TP, FP, FN, TN of the tiles by it.

    Where nothing could be chosen no pixel is counted, so that every score of the rule is undefined.

    Args:
        chosen: by validation tiles against the same truth.
        fixed: level of the fixed rule, 0..255.
    """
    nothing = np.zeros((len(levels.every), 4), np.int64)
    return {
        "fixed": levels.counts(truth, fixed),
        "otsu": levels.counts(truth, otsu_levels(levels.every)),
        "fraction": nothing
        if math.isnan(chosen.fraction)
        else levels.counts(truth, fraction_levels(levels, chosen.fraction)),
        "validation": nothing if math.isnan(chosen.level) else levels.counts(truth, chosen.level),
    }


def threshold_scores(
    levels: Levels, truth: str, chosen: Thresholds, rules: Mapping[str, NDArray[np.integer]]
) -> dict[str, float]:
    """Return IoU of the defect under every rule, and what the best threshold leaves.

    Args:
        levels: of the n tiles that are scored.
        rules: `apply_rules` of the same.

    Returns:
        `<rule>_iou` of the defect pooled over tiles, `validation_mean_iou` (mean of defect and background, what is
        mostly published as mIoU), the `validation_threshold` (0..255), `oracle_iou` with the one threshold that is best
        on these very tiles, and `oracle_gap` = oracle_iou - validation_iou.
    """
    scores = {f"{name}_iou": mean_iou(counts)["foreground_iou"] for name, counts in rules.items()}
    best = best_level(levels, truth)
    oracle = mean_iou(levels.counts(truth, _TOP if math.isnan(best) else best))["foreground_iou"]
    return {
        **scores,
        "validation_mean_iou": mean_iou(rules["validation"])["mean_iou"],
        "validation_threshold": chosen.level,
        "oracle_iou": oracle,
        "oracle_gap": oracle - scores["validation_iou"],
    }


def scores_by_threshold(levels: Levels, truth: str) -> list[dict[str, float]]:
    """Return the pooled `pixel_scores` of the tiles with each level 0..254 as threshold of all of them."""
    levels = levels.of(truth)
    inside, every = levels.inside[truth], levels.every
    both, predicted = (_above(pixels[levels.visible].sum(axis=0)).astype(np.int64) for pixels in (inside, every))
    counts = counts_of(both, predicted, inside.sum(dtype=np.int64), every.sum(dtype=np.int64))
    return [pixel_scores(at_level) for at_level in counts]


def best_level(levels: Levels, truth: str) -> float:
    """Return the level 0..254 with the highest pooled IoU, of equal ones the lowest; NaN without truth."""
    levels = levels.of(truth)
    total = int(levels.inside[truth].sum())
    if not total:
        return math.nan
    both, predicted = (_above(pixels[levels.visible].sum(axis=0)) for pixels in (levels.inside[truth], levels.every))
    return float(np.argmax(both / (total + predicted - both)))


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

    >>> counts = np.zeros((1, 256), int)
    >>> counts[0, [10, 11, 200]] = 3, 3, 2
    >>> otsu_levels(counts).tolist()
    [11.0]
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
