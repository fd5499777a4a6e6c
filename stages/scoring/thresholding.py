"""Every explanation by other thresholds than the thesis': rules, chosen on validation tiles, and all of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.thresholds import (
    Thresholds,
    apply_rules,
    choose_thresholds,
    scores_by_threshold,
    threshold_scores,
)
from stages.scores.scores import Explanation
from stages.scoring.measure import Alarms, Measured
from stages.scoring.settings import Score

Chosen = Mapping[tuple[str, str], Thresholds]  # truth, explanation -> what validation tiles chose


@dataclass(frozen=True)
class Thresholded:
    """One explanation against one truth, on n test tiles."""

    scores: dict[str, float]  # of `stages.metrics.thresholds.threshold_scores`
    counts: NDArray[np.int64]  # (n, 4) TP, FP, FN, TN at the level that validation chose
    curve: list[dict[str, float]]  # the pixel scores at each level 0..254; empty for a control or a reference


def choose_levels(
    explanations: Mapping[str, Explanation], validation: Mapping[str, Measured], truths: Sequence[str]
) -> Chosen:
    """Choose thresholds for every explanation and truth on validation tiles."""
    levels = {name: validation[each.method].levels(each.setting) for name, each in explanations.items()}
    return {(truth, name): choose_thresholds(levels[name], truth) for name in explanations for truth in truths}


def alarm_levels(explanations: Mapping[str, Explanation], chosen: Chosen, truths: Sequence[str], rule: Score) -> Alarms:
    """Return what pixels of good tiles must be above to be false alarms: by the thesis' rule, and by validation's.

    Without truth on validation tiles there is nothing to choose by, and the thesis' threshold stands alone.

    Args:
        explanations: name -> explanation.
        chosen: what `choose_levels` returned.
        truths: kinds of truth that there are.
        rule: the section `score` of params.yaml.
    """
    alarms = {}
    for name, explanation in explanations.items():
        level = chosen[truths[0], name].level if truths else math.nan
        by_validation = {} if math.isnan(level) else {"validation": level}
        alarms[explanation.method, explanation.setting] = {"fixed": rule.intensity_threshold} | by_validation
    return alarms


def by_thresholds(
    explanations: Mapping[str, Explanation], test: Mapping[str, Measured], chosen: Chosen, rule: Score
) -> dict[tuple[str, str], Thresholded]:
    """Return truth, explanation -> its scores on test tiles by every rule; the rules are applied once.

    Args:
        explanations: name -> explanation.
        test: method -> what was measured on test tiles.
        chosen: what `choose_levels` returned.
        rule: the section `score` of params.yaml.
    """
    found = {}
    for name, explanation in explanations.items():
        levels = test[explanation.method].levels(explanation.setting)
        for truth in levels.inside:
            rules = apply_rules(levels, truth, chosen[truth, name], math.floor(rule.intensity_threshold))
            curve = [] if explanation.beside else scores_by_threshold(levels, truth)
            scores = threshold_scores(levels, truth, chosen[truth, name], rules)
            found[truth, name] = Thresholded(scores, rules["validation"], curve)
    return found
