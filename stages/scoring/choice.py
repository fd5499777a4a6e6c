"""Choosing one setting among several by a score on validation tiles."""

import math
from collections.abc import Mapping, Sequence


def best_index(scores: Sequence[Mapping[str, float]], by: str) -> int:
    """Return the index of the highest `by`; NaN loses to every number, ties and all-NaN go to the first."""
    values = [-math.inf if math.isnan(score[by]) else score[by] for score in scores]
    return values.index(max(values))


def choose_discards(
    fusions: Sequence[str], discards: Sequence[float], scores: Sequence[Mapping[str, float]], by: str
) -> dict[str, int]:
    """Choose one discard ratio for each fusion mode.

    Args:
        fusions: fusion mode of each setting.
        discards: discard ratio of each setting.
        scores: scores of each setting on validation tiles.
        by: the score that decides, higher is better.

    Returns:
        Fusion mode, in the order of first appearance -> index of its best setting; ties and undefined scores go to
        the smallest ratio.
    """
    chosen = {}
    for fusion in dict.fromkeys(fusions):
        own = sorted((place for place, name in enumerate(fusions) if name == fusion), key=lambda place: discards[place])
        chosen[fusion] = own[best_index([scores[place] for place in own], by)]
    return chosen
