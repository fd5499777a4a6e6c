"""Scores of the classifier over test tiles: good against defective, and one of several classes by class."""

from typing import Any

import numpy as np
from scipy.special import softmax

from stages.classification.measures import classification_scores, confusion_matrix, multiclass_scores
from stages.heatmaps.maps import Maps
from stages.runtime.errors import InputError
from stages.scoring.tiles import ScoredTiles


def classifier_scores(maps: Maps, tiles: ScoredTiles, probability_threshold: float) -> dict[str, Any]:
    """Return `classification`, and of a classifier of several classes `multiclass`: name -> score.

    Raises:
        InputError: a logit is not finite, or a tile is of a class that the classifier does not know.
    """
    test = tiles.rows("test")
    scores = classification_scores(tiles.probability[test], tiles.defective[test], probability_threshold)
    if maps.class_logits is None:
        return {"classification": scores}
    logits = maps.class_logits[tiles.maps_rows[test]].astype(np.float64)
    if not np.isfinite(logits).all():
        raise InputError(f"{maps.folder / 'logits.npy'}: a logit is not finite; train the model again")
    classes, probability = maps.classes, softmax(logits, axis=1)
    codes = tiles.tiles.class_codes(classes)[tiles.positions[test]]
    counts = confusion_matrix(codes, probability.argmax(axis=1), len(classes)).tolist()
    confusion = {actual: dict(zip(classes, row, strict=True)) for actual, row in zip(classes, counts, strict=True)}
    return {
        "classification": scores,
        "multiclass": multiclass_scores(probability, codes, classes) | {"confusion": confusion},
    }
