"""The scores of all models, checked for what a ranking needs of them."""

from collections.abc import Iterable

from stages.ranking.settings import Rank
from stages.records.paths import scores_folder
from stages.runtime.errors import InputError
from stages.scores.scores import Scores, open_scores


def open_all_scores(models: Iterable[str], rule: Rank) -> dict[str, Scores]:
    """Open the scores of every model.

    Raises:
        InputError: some are missing or broken, two are of other tiles or truths, or they have not what is ranked by.
    """
    scores = {model: open_scores(scores_folder(model)) for model in models}
    (_, first), *others = scores.items()
    for _, other in others:
        if list(other.tiles["tile_id"]) != list(first.tiles["tile_id"]) or other.truths != first.truths:
            raise InputError(
                f"{other.folder}: scored on {len(other.tiles)} tiles against {', '.join(other.truths) or 'nothing'}, "
                f"but {first.folder} on {len(first.tiles)} against {', '.join(first.truths) or 'nothing'} or on other "
                "tiles; run the explain and score stages again for both"
            )
    if first.truths and rule.truth not in first.truths:
        raise InputError(
            f"params.yaml: rank.truth is {rule.truth!r}, but {first.folder} has only {', '.join(first.truths)}; "
            f"use -S rank.truth={first.truths[0]}"
        )
    return scores
