"""Whole photographs: defects found against false regions (FROC), and whether a photograph is told to be defective.

The free-response curve (Bunch et al. 1978), one for all photographs, goes through every threshold d of confidence:

    found(d)  defects of all photographs that a region finds / all defects
    false(d)  false regions of all photographs / photographs

    found at k = highest found(d) among the thresholds with false(d) <= k         no threshold: nothing is shown, 0
    froc       = mean of found at 1/8, 1/4, 1/2, 1, 2, 4 and 8                    (LUNA16, Setio et al. 2017)

Confidence, and what counts as found and as false: `stages.metrics.regions`. Only the order of confidences matters.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.metrics.clusters import ClusterParts
from stages.metrics.regions import Steps

FALSE_REGIONS = {  # score -> false regions per photograph, at most
    "found_at_1_8": 0.125,
    "found_at_1_4": 0.25,
    "found_at_1_2": 0.5,
    "found_at_1": 1.0,
    "found_at_2": 2.0,
    "found_at_4": 4.0,
    "found_at_8": 8.0,
}
FROC = "froc"
POINTING, AUROC = "photograph_pointing_game", "photograph_auroc"
OF_EXPLANATIONS = {  # scores of one explanation against one truth
    **{name: f"share of defects found at {most:g} false regions a photograph" for name, most in FALSE_REGIONS.items()},
    FROC: "their mean over 1/8 to 8",
    POINTING: "whether the surest region's peak is in a defect",
}
OF_PHOTOGRAPHS = {**OF_EXPLANATIONS, AUROC: "whether the surest tile is surer on defective photographs"}
POINTS = [2 ** (half / 2) for half in range(-6, 7)]  # of a curve that is drawn: 1/8 to 8, two an octave
END = 2 * max(FALSE_REGIONS.values())  # false regions a photograph, where curves end
AT_ONCE = 2**24  # numbers of resampled curves held at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The curves of C clusters of photographs on common thresholds, added up so that any weights of them can be had.

    Attributes:
        names: (C,) of the clusters, sorted.
        thresholds: (E,) falling.
        false, found: (C, E) regions and defects of all photographs of a cluster.
        defects, photographs: (C,).
    """

    names: NDArray
    thresholds: Floats
    false: Floats
    found: Floats
    defects: Floats
    photographs: Floats

    def rates(self, weights: ArrayLike) -> tuple[Floats, Floats]:
        """Return (R, E) false regions a photograph and share of defects found, with weights (R, C) of the clusters."""
        weights = np.asarray(weights, np.float64)
        under, all_defects = (weights @ each for each in (self.photographs, self.defects))
        return _ratio(weights @ self.false, under), _ratio(weights @ self.found, all_defects)

    def scores(self, weights: ArrayLike) -> dict[str, Floats]:
        """Return every score of `FALSE_REGIONS` and `FROC` -> (R,); NaN where there is no defect."""
        weights = np.asarray(weights, np.float64)
        step = max(1, AT_ONCE // max(1, len(self.thresholds)))
        pieces = [self._scores(weights[at : at + step]) for at in range(0, len(weights), step)]
        at_most = {name: np.concatenate([piece[name] for piece in pieces] or [np.empty(0)]) for name in FALSE_REGIONS}
        return at_most | {FROC: np.mean(list(at_most.values()), axis=0)}

    def _scores(self, weights: Floats) -> dict[str, Floats]:
        false, found = self.rates(weights)
        nothing_shown = np.where(weights @ self.defects > 0, 0.0, math.nan)
        return {
            name: np.maximum(np.where(false <= most, found, 0.0).max(axis=1, initial=0.0), nothing_shown)
            for name, most in FALSE_REGIONS.items()
        }

    def points(self) -> Iterator[tuple[float, float, float]]:
        """Yield false regions a photograph at most, share found, and the highest threshold that finds as much.

        Of all clusters together; the threshold is NaN where nothing is found.
        """
        false, found = (rates[0] for rates in self.rates(np.ones((1, len(self.names)))))
        for most in POINTS:
            within = np.where(false <= most, found, 0.0)
            best = float(within.max(initial=0.0))
            yield most, best, float(self.thresholds[within.argmax()]) if best > 0 else math.nan


def steps_of(lines: Any) -> list[Steps]:
    """Return the steps of photographs.

    Args:
        lines: a table whose columns confidence, false and found hold a list for each photograph.
    """
    columns = [list(lines[name]) for name in ("confidence", "false", "found")]
    return [Steps(*(np.asarray(column) for column in line)) for line in zip(*columns, strict=True)]


def curves_of(clusters: ArrayLike, steps: Sequence[Steps], defects: ArrayLike) -> Curves:
    """Bring the photographs' steps to common thresholds, down to the first with more than `END` false regions each.

    Args:
        clusters: (P,) name of each photograph's cluster.
        steps: P of them.
        defects: (P,) how many defects each has.
    """
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    every = [own.confidence for own in steps]
    thresholds = np.unique(np.concatenate(every) if every else np.zeros(0))[::-1]
    sums = np.zeros((2, len(names), len(thresholds)))
    for own, code in zip(steps, codes, strict=True):
        at = np.searchsorted(-thresholds, -own.confidence)
        for total, counts in zip(sums, (own.false, own.found), strict=True):
            np.add.at(total[code], at, np.diff(counts, prepend=0))
    false, found = np.cumsum(sums, axis=2)
    count = [np.bincount(codes, weights, len(names)).astype(np.float64) for weights in (np.asarray(defects), None)]
    beyond = np.flatnonzero(false.sum(axis=0) > END * len(steps))
    end = int(beyond[0]) if len(beyond) else len(thresholds)
    return Curves(names, thresholds[:end], false[:, :end], found[:, :end], *count)


def froc_parts(curves: Curves, score: str) -> ClusterParts:
    """Take one score of a curve apart by clusters.

    Args:
        curves: of C clusters.
        score: of `FALSE_REGIONS`, or `FROC`.
    """
    value = float(curves.scores(np.ones((1, len(curves.names))))[score][0])
    return ClusterParts(curves.names, value, curves.defects, lambda weights: curves.scores(weights)[score])


def auroc_parts(clusters: ArrayLike, probability: ArrayLike, defective: ArrayLike) -> ClusterParts:
    """Take the area under the ROC curve of photographs apart by clusters.

    It is the chance that a defective photograph is surer than a good one, equal ones counting half; NaN where all are
    defective or all good. A cluster's share is that of the photographs of the rarer kind.

    Args:
        clusters: (P,) name of each photograph's cluster.
        probability: (P,) of a defect.
        defective: (P,) bool.
    """
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    probability, defective = np.asarray(probability, np.float64), np.asarray(defective, bool)
    bad, good = (np.bincount(codes[kind], minlength=len(names)).astype(np.float64) for kind in (defective, ~defective))
    wins = np.zeros((len(names), len(names)))
    below = probability[~defective]
    for code, value in zip(codes[defective], probability[defective], strict=True):
        against = (below < value) + (below == value) / 2
        wins[code] += np.bincount(codes[~defective], against, len(names))

    def scores(weights: Floats) -> Floats:
        return _ratio(np.einsum("rc,cd,rd->r", weights, wins, weights), (weights @ bad) * (weights @ good))

    value = float(scores(np.ones((1, len(names))))[0])
    return ClusterParts(names, value, bad if bad.sum() <= good.sum() else good, scores)


def curve_scores(curves: Curves) -> dict[str, float]:
    """Return every score of `FALSE_REGIONS` and `FROC` over all photographs."""
    return {name: float(values[0]) for name, values in curves.scores(np.ones((1, len(curves.names)))).items()}


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above (R, ...) / below (R,), NaN over 0."""
    below = np.broadcast_to(below.reshape(len(below), *[1] * (above.ndim - 1)), above.shape)
    return np.divide(above, below, out=np.full(above.shape, math.nan), where=below != 0)
