"""What stage score chose for a model: the explanation, and the thresholds that a reader of the file needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.explainers.settings import ExplainCommon
from stages.exports.exportable import why_not_exportable
from stages.exports.metadata import Thresholds
from stages.models.trained import Description
from stages.runtime.errors import InputError
from stages.scores.scores import Explanation, open_explanations

BY_VALIDATION, BY_PARAMS = "validation", "params"


def why_no_graph(folder: Path, description: Description, parameters: ExplainCommon) -> str | None:
    """Return why the explanation that validation prefers cannot be part of a graph, in one line; None: it can."""
    rows, best = open_explanations(folder)
    return why_not_exportable(description.model, description.architecture, rows[best], parameters)


def chosen_explanation(folder: Path, description: Description, parameters: ExplainCommon) -> tuple[str, Explanation]:
    """Return the explanation that validation prefers, and its name.

    Raises:
        InputError: the file is missing, or the explanation cannot be part of a graph.
    """
    rows, best = open_explanations(folder)
    reason = why_not_exportable(description.model, description.architecture, rows[best], parameters)
    if reason:
        raise InputError(reason)
    return best, rows[best]


def thresholds_of(
    description: Description, scores: Mapping[str, Any], best: str, probability_threshold: float, level: float
) -> Thresholds:
    """Return the thresholds of a model.

    Args:
        description: of the classifier; its threshold was chosen by validation tiles. Several classes have none.
        scores: what metrics/score says of the model. The first truth's level counts, as for all that score chooses.
        best: name of its explanation.
        probability_threshold, level: what params.yaml says, for what nothing was chosen.

    Raises:
        InputError: the scores are of another explanation.
    """
    decision, decision_from = description.threshold, BY_VALIDATION
    if decision is None:
        decision, decision_from = probability_threshold, BY_PARAMS
    truths = [truth for truth in ("boxes", "exact") if truth in scores]
    chosen = None
    if truths:
        try:
            chosen = scores[truths[0]][best]["thresholds"]["validation_threshold"]
        except (KeyError, TypeError):
            file = f"metrics/score/{description.model}.json"
            raise InputError(f"{file}: has no thresholds of {best}; run the score stage again") from None
    if chosen is None:
        return Thresholds(float(decision), decision_from, float(level), BY_PARAMS)
    return Thresholds(float(decision), decision_from, float(chosen), BY_VALIDATION)
