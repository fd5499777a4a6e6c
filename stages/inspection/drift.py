"""Is a photograph, or a whole run, unlike the tiles that the model was chosen on?

The exported model knows how its validation tiles are spread: quantiles of brightness, sharpness and of how far their
pooled features lie from their mean. A tile beyond their 1% or 99% is unlike them; by chance 1 of 100 is, on each side.
So a photograph is flagged where a fifth of its tiles are, and a run where a twentieth of all are, three tiles at least:
one of a few whole photographs is so by chance, which says nothing of the run. Of the features' distance the last
hundredth are tiles with defects, which many a strange photograph stays below; there half of a photograph's tiles beyond
three quarters of validation's count, too, where it has tiles enough to say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.exports.metadata import Reference

MEASURES = ("feature_distance", "brightness", "sharpness")


@dataclass(frozen=True)
class Rule:
    """Which tiles are unlike validation's, and how many of them make a photograph or a run so."""

    measure: str
    quantile: str  # of validation's tiles, as `reference` names it
    above: bool  # tiles above it are meant, else those below
    words: str  # what such tiles are
    photograph_share: float = 0.2
    run_share: float = 0.05
    least_tiles: int = 1
    least_beyond: int = 3  # such tiles in a run


RULES = (
    Rule("feature_distance", "0.99", True, "look like nothing in training (features)"),
    Rule("feature_distance", "0.75", True, "look less like training than 75% of validation's (features)", 0.5, 0.4, 20),
    Rule("brightness", "0.01", False, "are darker than in training"),
    Rule("brightness", "0.99", True, "are brighter than in training"),
    Rule("sharpness", "0.01", False, "are less sharp than in training"),
    Rule("sharpness", "0.99", True, "are sharper or noisier than in training"),
)


@dataclass
class Tally:
    """What a run has seen so far."""

    photographs: int = 0
    flagged: int = 0
    tiles: int = 0
    probability: float = 0.0  # sum over tiles
    lit: float = 0.0  # sum over tiles of the share of their cells that is lit
    beyond: dict[str, int] | None = None  # words of `RULES` -> tiles


def distance(features: NDArray[np.floating], reference: Reference) -> NDArray[np.float64]:
    """Return sqrt(mean_c ((f_c - mean_c) / std_c)^2) of features (n, C): 1 is usual, (n,)."""
    mean, std = np.array(reference.feature_mean), np.array(reference.feature_std)
    standard = (features.astype(np.float64) - mean) / std
    result: NDArray[np.float64] = np.sqrt((standard**2).mean(axis=1))
    return result


def beyond(measures: Mapping[str, NDArray[np.floating]], reference: Reference) -> dict[str, int]:
    """Return the words of each rule -> how many tiles it means.

    Args:
        measures: measure -> (n,) of the tiles.
    """
    counts = {}
    for rule in RULES:
        limit = getattr(reference, rule.measure).quantiles[rule.quantile]
        values = measures[rule.measure]
        counts[rule.words] = int(np.count_nonzero(values > limit if rule.above else values < limit))
    return counts


def flags(counts: Mapping[str, int], tiles: int, of_run: bool = False) -> list[str]:
    """Return the reasons why so many of `tiles` tiles make a photograph, or a run, unlike training; mostly none.

    >>> flags({"are darker than in training": 3, "are brighter than in training": 1}, 10)
    ['30% of its tiles are darker than in training']
    """
    found = []
    for rule in RULES:
        count = counts.get(rule.words, 0)
        enough = tiles >= rule.least_tiles and (not of_run or count >= rule.least_beyond)
        if enough and count / tiles >= (rule.run_share if of_run else rule.photograph_share):
            found.append(f"{count / tiles:.0%} of its tiles {rule.words}")
    return found


def add(tally: Tally, counts: Mapping[str, int], probability: Sequence[float] | NDArray, lit: float, odd: bool) -> None:
    """Add a photograph to what a run has seen.

    Args:
        counts: what `beyond` returned.
        probability: (n,) of its tiles.
        lit: mean over its tiles of the share of cells that is lit.
        odd: it was flagged.
    """
    tally.photographs += 1
    tally.flagged += odd
    tally.tiles += len(probability)
    tally.probability += float(np.sum(probability, dtype=np.float64))
    tally.lit += lit * len(probability)
    before = tally.beyond or {}
    tally.beyond = {words: before.get(words, 0) + count for words, count in counts.items()}


def run_flags(tally: Tally, reference: Reference) -> list[str]:
    """Return why a run as a whole is unlike validation's tiles; none where it is not.

    Probability and lit area only count upwards: validation has more defective tiles than a line should have.
    """
    if not tally.tiles:
        return []
    found = flags(tally.beyond or {}, tally.tiles, of_run=True)
    for words, total, usual in (
        ("mean probability of a defect", tally.probability, reference.probability.mean),
        ("share of area lit", tally.lit, reference.lit_share.mean),
    ):
        if (mean := total / tally.tiles) > usual:
            found.append(f"{words} {mean:.3g}, on validation tiles {usual:.3g}")
    return found
