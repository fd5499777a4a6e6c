"""Choosing one setting for each explanation, by a score on validation tiles."""

import math
from collections.abc import Mapping, Sequence

from stages.metrics.table import SCORES
from stages.scores.scores import Explanation
from stages.scoring.measure import AllScores
from stages.scoring.methods import BLURRED, RANDOMISED, REFINED, Method


def choose_explanations(
    methods: Sequence[Method], validation: AllScores, truths: Sequence[str], by: str
) -> tuple[dict[str, Explanation], str]:
    """Choose a setting for each fusion mode of each method; return name -> explanation, and the best name.

    The best is one of the model's own method. The first truth decides: boxes where there are any, else the exact
    masks; by labels alone nothing can be chosen, and each explanation takes its smallest discard ratio.

    Args:
        methods: with the controls.
        validation: scores on validation tiles.
        truths: that there are.
        by: the score that decides, higher is better.
    """
    explanations, candidates = {}, {}
    for method in methods:
        undefined = [dict.fromkeys(SCORES, math.nan)] * len(method.fusions)
        scores = validation[method.name, truths[0]] if truths else undefined
        for fusion, setting in choose_discards(method.fusions, method.discards, scores, by).items():
            name = explanation_name(method.name, fusion)
            kind = method.control, method.own
            explanations[name] = Explanation(
                method.name, fusion, method.discards[setting], setting, *kind, {}, method.reference
            )
            if method.own:
                candidates[name] = scores[setting]
    return explanations, list(candidates)[best_index(list(candidates.values()), by)]


def explanation_name(method: str, fusion: str) -> str:
    """Return e.g. rollout_max, or cam for a method that fuses nothing."""
    return method if fusion == method else f"{method}_{fusion}"


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
        places = [place for place, name in enumerate(fusions) if name == fusion]
        places.sort(key=lambda place: discards[place])
        chosen[fusion] = places[best_index([scores[place] for place in places], by)]
    return chosen


def best_index(scores: Sequence[Mapping[str, float]], by: str) -> int:
    """Return the index of the highest `by`; NaN loses to every number, ties and all-NaN go to the first."""
    values = [-math.inf if math.isnan(score[by]) else score[by] for score in scores]
    return values.index(max(values))


def beats_controls(name: str, method: str, scores: Mapping[str, float], controls: Mapping[str, str]) -> bool | None:
    """Return whether an explanation scores higher than every control that it is held against.

    Those are all controls that know nothing of any model, the same method on the model with randomised weights, and of
    a refined map the same map as smooth without the tile.

    Args:
        name, method: of the explanation.
        scores: name of an explanation -> score, higher is better; an undefined control is overlooked, an undefined
            explanation beats none.
        controls: name of a control -> its method.

    Returns:
        None where no control has a score.
    """
    against = [scores[control] for control, other in controls.items() if _is_held_against(method, other)]
    known = [score for score in against if not math.isnan(score)]
    return scores[name] > max(known) if known else None


def _is_held_against(method: str, control: str) -> bool:
    if control.endswith(RANDOMISED):
        return control == method + RANDOMISED
    if control.endswith(BLURRED):
        return method == control.removesuffix(BLURRED) + REFINED
    return True
