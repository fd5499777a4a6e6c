"""Differences between explanations on the same test tiles, with paired intervals, and which side they say is better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.metrics.intervals import MIN_CLUSTERS
from stages.ranking.estimates import Estimates
from stages.ranking.record import Estimate

TOO_FEW, UNDECIDED, UNDEFINED = "too few", "undecided", "undefined"


@dataclass(frozen=True)
class FamilyDifference:
    """One metric of a CNN and of a ViT, or of the means of several, on the same tiles."""

    cnn: float
    vit: float
    apart: Estimate  # cnn - vit, paired
    cnn_wins: float  # how surely the CNN's is higher: 0.975 where the interval just excludes 0

    @property
    def better(self) -> str:
        """Return which side is better.

        cnn | vit (the interval lies on that side of 0) | undecided | too few (clusters to name a winner) | undefined
        (one of the two has no score).
        """
        if math.isnan(self.apart.value):
            return UNDEFINED
        if self.apart.clusters < MIN_CLUSTERS:
            return TOO_FEW
        return "cnn" if self.apart.low > 0 else "vit" if self.apart.high < 0 else UNDECIDED

    @property
    def content(self) -> dict[str, float | int | str]:
        """Return what metrics/rank.json says of it."""
        return {
            "cnn_value": self.cnn,
            "vit_value": self.vit,
            "value": self.apart.value,
            "low": self.apart.low,
            "high": self.apart.high,
            "clusters": self.apart.clusters,
            "cnn_wins_probability": self.cnn_wins,
            "better": self.better,
        }

    def __str__(self) -> str:
        """Return cnn - vit [low, high]."""
        if math.isnan(self.apart.value):
            return UNDEFINED
        interval = "no interval" if math.isnan(self.apart.low) else f"{self.apart.low:+.3f}, {self.apart.high:+.3f}"
        return f"{self.apart.value:+.3f} [{interval}]"


def family_difference(estimates: Estimates, cnns: Sequence[int], vits: Sequence[int], metric: int) -> FamilyDifference:
    """Compare the mean of some explanations of CNNs with the mean of some of ViTs in one metric.

    Explanations that were picked because they are best on these tiles are flattered by that; the interval does not know
    of it.

    Args:
        estimates: of all explanations.
        cnns, vits: places of those to compare.
        metric: its place.
    """
    cnn, vit = (estimates.scores[list(places), metric].mean(axis=0) for places in (cnns, vits))
    apart = cnn - vit
    low, high = apart.interval()
    difference = Estimate(float(apart.values), float(low), float(high), int(apart.clusters))
    return FamilyDifference(float(cnn.values), float(vit.values), difference, float(apart.above_zero()))


def differences_in_words(differences: Mapping[str, FamilyDifference]) -> str:
    """Return differences by metric as text, with the least number of clusters that one of the defined rests on."""
    text = ", ".join(f"{metric.replace('_', ' ')} {difference}" for metric, difference in differences.items())
    defined = [own.apart.clusters for own in differences.values() if own.better != UNDEFINED]
    if not defined:
        return text
    clusters = min(defined)
    few = f", too few to name the better one: below {MIN_CLUSTERS}" if clusters < MIN_CLUSTERS else ""
    return f"{text} (clusters: {clusters}{few})"


def behind_first(estimates: Estimates, first: int, metric: int) -> list[Estimate]:
    """Return how far each explanation is behind one of them in a metric, paired; below 0 where it is ahead.

    Args:
        estimates: of all explanations.
        first: place of the one that they are compared with; it is 0 behind itself, from 0 to 0.
        metric: its place.
    """
    scores = estimates.scores[:, metric]
    apart = scores[[first]] - scores
    low, high = apart.interval()
    low[first] = high[first] = apart.values[first]
    return [
        Estimate(float(apart.values[place]), float(low[place]), float(high[place]), int(apart.clusters[place]))
        for place in range(len(low))
    ]


def told_apart(behind: Estimate) -> str:
    """Return whether a difference is more than chance: yes (the interval excludes 0) | no | too few (clusters to say).

    "" where there is no difference, or none with an interval: the two share fewer than two clusters.
    """
    enough = behind.clusters >= MIN_CLUSTERS
    if math.isnan(behind.value) or (enough and math.isnan(behind.low)):
        return ""
    if not enough:
        return TOO_FEW
    return "yes" if behind.low > 0 or behind.high < 0 else "no"
