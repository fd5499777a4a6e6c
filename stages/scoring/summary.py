"""What metrics/score/<model>.json says of each explanation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.metrics.false_alarms import false_alarms
from stages.metrics.table import PixelHistograms, metrics_of
from stages.scores.scores import Explanation
from stages.scoring.measure import AllScores, Measured, defined_mean
from stages.scoring.methods import Method, grid_truth_name
from stages.scoring.settings import Score
from stages.scoring.thresholding import Thresholded
from stages.scoring.tiles import ScoredTiles

OF_GRID_TRUTH = ("f1", "tile_average_precision", "pixel_average_precision", "aupro")


def explanation_scores(
    explanations: Mapping[str, Explanation],
    methods: Sequence[Method],
    tiles: ScoredTiles,
    test: Mapping[str, Measured],
    scores: AllScores,
    thresholded: Mapping[tuple[str, str], Thresholded],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return truth -> explanation -> its scores on test tiles.

    Args:
        test, scores: of all methods and of the truth on their grids (`stages.scoring.methods.grid_truths`).
    """
    defective = tiles.defective[tiles.rows("test")]
    of_name = {method.name: method for method in methods}
    content: dict[str, dict[str, dict[str, Any]]] = {truth: {} for truth in tiles.truths}
    for truth, name in thresholded:
        explanation, measured = explanations[name], test[explanations[name].method]
        own = scores[explanation.method, truth][explanation.setting]
        (of_grid,) = scores[grid_truth_name(of_name[explanation.method], truth), truth]
        counts = measured.counts[truth][defective, explanation.setting]
        area = (counts[:, 0] + counts[:, 2]) / tiles.px**2
        content[truth][name] = {
            "area": defined_mean(area[area > 0]),
            "discard": explanation.discard,
            **own,
            "thresholds": thresholded[truth, name].scores,
            "of_grid_truth": fractions_of(own, of_grid),
            "undefined": {
                "empty_truths": int((area == 0).sum()),
                "constant_maps": int(measured.constant[defective, explanation.setting].sum()),
            },
        }
    return content


def good_tile_alarms(
    explanations: Mapping[str, Explanation], tiles: ScoredTiles, test: Mapping[str, Measured], rule: Score
) -> dict[str, dict[str, dict[str, float]]]:
    """Return explanation -> threshold -> what lights up on good test tiles.

    Tiles that the classifier calls good are black, as in every mask here: it is what classifier and heatmap light up
    together.
    """
    good = ~tiles.defective[tiles.rows("test")]
    content: dict[str, dict[str, dict[str, float]]] = {name: {} for name in explanations}
    for name, explanation in explanations.items():
        for (setting, threshold), regions in test[explanation.method].lit.items():
            if setting == explanation.setting:
                content[name][threshold] = false_alarms(regions[good], tiles.px**2, rule.min_region_px)
    return content


def with_controls(
    content: Mapping[str, Mapping[str, Mapping[str, Any]]], explanations: Mapping[str, Explanation]
) -> dict[str, Any]:
    """Return the content with `beats_controls` of every explanation that is no control."""
    return {
        truth: {
            name: {**scores}
            if explanations[name].control
            else {**scores, "beats_controls": explanations[name].beats_controls[truth]}
            for name, scores in named.items()
        }
        for truth, named in content.items()
    }


def pooled_scores(content: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return truth -> explanation -> those scores that histograms of all pixels gave."""
    metrics = metrics_of(PixelHistograms)
    return {
        truth: {name: {metric: scores[metric] for metric in metrics} for name, scores in named.items()}
        for truth, named in content.items()
    }


def fractions_of(scores: Mapping[str, float], grid_truth: Mapping[str, float]) -> dict[str, float]:
    """Return each score of `OF_GRID_TRUTH` divided by that of the truth averaged to the same grid.

    Above 1 where the explanation scores higher, as it may; NaN over 0.
    """
    return {name: scores[name] / grid_truth[name] if grid_truth[name] > 0 else math.nan for name in OF_GRID_TRUTH}


def line(
    model: str, family: str, best: str, explanations: Mapping[str, Explanation], content: Mapping[str, Any]
) -> str:
    """Return what the score stage prints: the classifier, and the best explanation against every truth."""
    explanation, classification = explanations[best], content["classification"]
    quality = f"average precision {classification['average_precision']:.3f}"
    if "multiclass" in content:
        quality = f"accuracy {content['multiclass']['accuracy']:.4f} of {len(content['multiclass']['recall'])} classes"
    phrases = [f"{quality} on {classification['tiles']} test tiles"]
    for truth, beats in explanation.beats_controls.items():
        scores = content[truth][best]
        phrases.append(f"against {truth} f1 {scores['f1']:.3f}, pointing game {scores['pointing_game']:.3f}")
        if beats is False:
            phrases.append("DOES NOT BEAT ITS CONTROLS")
    discard = f", discard {explanation.discard:g}" if family == "vit" else ""
    return f"score {model}, {best}{discard}: " + "; ".join(phrases)
