"""The references beside a model's explanations: which tiles they call defective, and the perfect map.

See `stages.scoring.methods` for how their maps are read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.classification.image_scores import binary_scores
from stages.heatmaps.maps import Maps
from stages.scoring.measure import AllScores
from stages.scoring.methods import Method, grid_truth_name
from stages.scoring.tiles import ScoredTiles

PERFECT = "perfect_map"  # its name among the explanations in metrics/score/<model>.json


def tile_scores_of(
    maps: Maps, methods: Sequence[Method], tiles: ScoredTiles, probability_threshold: float
) -> dict[str, dict[str, Any]]:
    """Return `references`: name -> how well it calls test tiles, and why it is left out (None: it is there).

    Nothing where `explain.references` asked for none.

    Args:
        maps: of the model.
        methods: what is compared, as `methods_of` returns it.
        tiles: those that are scored.
        probability_threshold: above which a tile is called defective.
    """
    test = tiles.rows("test")
    found: dict[str, dict[str, Any]] = {
        method.name: {
            "left_out": None,
            **binary_scores(method.probability[test], tiles.defective[test], probability_threshold),
        }
        for method in methods
        if method.reference
    }
    found |= {name: {"left_out": reason} for name, reason in maps.left_out.items()}
    return {"references": found} if found else {}


def perfect_scores(maps: Maps, methods: Sequence[Method], scores: AllScores) -> dict[str, dict[str, float]]:
    """Return truth -> the scores of the truth itself on the grid of the model's own method, on test tiles.

    Nothing where `explain.references` asked for none.

    Args:
        maps: of the model.
        methods: what is compared, the model's own first.
        scores: of test tiles, those of `grid_truths` among them.
    """
    own = methods[0]
    if not (maps.left_out or any(method.reference for method in methods)):
        return {}
    return {truth: scores[grid_truth_name(own, truth), truth][0] for truth in own.truths}


def with_perfect(content: Mapping[str, Mapping[str, Any]], perfect: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return truth -> explanation -> its scores, with those of the perfect map at the end."""
    return {
        truth: {**named, **({PERFECT: {"discard": 0.0, **perfect[truth]}} if truth in perfect else {})}
        for truth, named in content.items()
    }
