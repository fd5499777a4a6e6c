"""Maps that lie on no disk, scored as those of references are: what annotation of some tiles would give."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stages.classification.score_calibration import probability_of
from stages.records.files import read_json
from stages.records.paths import metrics_file, scores_folder
from stages.scores.scores import open_explanations
from stages.scoring.measure import all_scores, measure
from stages.scoring.methods import Method
from stages.scoring.settings import Score
from stages.scoring.tiles import ScoredTiles


def labels_alone(model: str, metric: str, truths: Sequence[str]) -> dict[str, float]:
    """Return truth -> the score of the explanation of a model that validation prefers, on test tiles; undefined is NaN.

    Raises:
        InputError: stage score has not run.
    """
    _, best = open_explanations(scores_folder(model))
    scores = read_json(metrics_file("score", model))[model]
    return {truth: _number(scores[truth][best][metric]) for truth in truths}


def scores_of_cells(
    logits: NDArray[np.float32], cell_px: float, tiles: ScoredTiles, rule: Score
) -> Mapping[str, Mapping[str, float]]:
    """Return truth -> score -> value on test tiles (`stages.metrics.table.SCORES`).

    Args:
        logits: (N, h, w) of the cells of all tiles of `tiles`; the highest of a tile is its score.
        cell_px: side of a cell.
        tiles: those that are scored.
        rule: the section `score` of params.yaml.
    """
    val = tiles.rows("val")
    maps = expit(logits.astype(np.float64)).astype(np.float32)
    method = Method(
        name="supervised",
        fusions=("supervised",),
        discards=(0.0,),
        grid=(logits.shape[1], logits.shape[2]),
        px=tiles.px,
        cell_px=cell_px,
        offset_px=0.0,
        own=False,
        control=False,
        read=lambda rows: maps[rows][:, None],
        probability=probability_of(logits.max(axis=(1, 2)), val, tiles.defective[val]),
        truths=tiles.truths,
        reference=True,
    )
    scores = all_scores(measure([method], tiles, "test", rule))
    return {truth: scores[method.name, truth][0] for truth in tiles.truths}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
