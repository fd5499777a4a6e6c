"""What metrics/score/<model>.json says of each explanation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stages.heatmaps.maps import Maps
from stages.metrics.false_alarms import false_alarms
from stages.metrics.table import PixelHistograms, metrics_of
from stages.scores.scores import Explanation
from stages.scoring.choice import beats_controls
from stages.scoring.measure import AllScores, Measured, defined_mean
from stages.scoring.methods import Method, grid_truth_name
from stages.scoring.settings import Score
from stages.scoring.thresholding import Thresholded
from stages.scoring.tiles import ScoredTiles

Content = dict[str, dict[str, dict[str, Any]]]  # truth -> explanation -> name -> score
OF_GRID_TRUTH = ("f1", "tile_average_precision", "pixel_average_precision", "aupro")


def explanation_scores(
    explanations: Mapping[str, Explanation],
    methods: Sequence[Method],
    tiles: ScoredTiles,
    test: Mapping[str, Measured],
    scores: AllScores,
    thresholded: Mapping[tuple[str, str], Thresholded],
    rule: Score,
) -> Content:
    """Return truth -> explanation -> its scores on test tiles.

    Args:
        test, scores: of all methods and of the truth on their grids (`stages.scoring.methods.grid_truths`).
    """
    rows = tiles.rows("test")
    of_name = {method.name: method for method in methods}
    content: Content = {truth: {} for truth in tiles.truths}
    for truth, name in thresholded:
        explanation, measured = explanations[name], test[explanations[name].method]
        own_scores = scores[explanation.method, truth][explanation.setting]
        (of_grid,) = scores[grid_truth_name(of_name[explanation.method], truth), truth]
        known = tiles.known(rows)[truth]
        defective = tiles.defective[rows] & known
        lacking = int((tiles.defective[rows] & ~known).sum())
        counts = measured.counts[truth][defective, explanation.setting]
        area = (counts[:, 0] + counts[:, 2]) / tiles.px**2
        content[truth][name] = {
            "area": defined_mean(area[area > 0]),
            "discard": explanation.discard,
            **own_scores,
            "thresholds": thresholded[truth, name].scores,
            "of_grid_truth": fractions_of(own_scores, of_grid),
            "undefined": {
                "empty_truths": int((area == 0).sum()),
                "constant_maps": int(measured.constant[defective, explanation.setting].sum()),
                **({"without_truth": lacking} if lacking else {}),
            },
        }
    controls = {name: explanation.method for name, explanation in explanations.items() if explanation.control}
    for named in content.values():
        compared = {name: scores[rule.choose_by] for name, scores in named.items()}
        for name in (name for name in named if not explanations[name].beside):
            named[name]["beats_controls"] = beats_controls(name, explanations[name].method, compared, controls)
    return content


def good_tile_alarms(
    explanations: Mapping[str, Explanation], tiles: ScoredTiles, test: Mapping[str, Measured], rule: Score
) -> dict[str, dict[str, dict[str, float]]]:
    """Return explanation -> threshold -> what lights up on good test tiles.

    Tiles that the classifier calls good are black, as in every mask here: it is what classifier and heatmap light up
    together.

    Args:
        explanations: name -> explanation.
        tiles: those that are scored.
        test: method -> what was measured on test tiles.
        rule: the section `score` of params.yaml.
    """
    good = ~tiles.defective[tiles.rows("test")]
    content: dict[str, dict[str, dict[str, float]]] = {name: {} for name in explanations}
    for name, explanation in explanations.items():
        for (setting, threshold), regions in test[explanation.method].lit.items():
            if setting == explanation.setting:
                content[name][threshold] = false_alarms(regions[good], tiles.px**2, rule.min_region_px)
    return content


def with_controls(explanations: Mapping[str, Explanation], content: Content) -> dict[str, Explanation]:
    """Return the explanations with `beats_controls` by truth, as the content of `explanation_scores` has it."""
    return {
        name: replace(
            explanation, beats_controls={truth: named[name].get("beats_controls") for truth, named in content.items()}
        )
        for name, explanation in explanations.items()
    }


def pooled_scores(content: Content) -> dict[str, dict[str, dict[str, float]]]:
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


def line(model: str, maps: Maps, name: str, best: Explanation, content: Content, classifier: Mapping[str, Any]) -> str:
    """Return what the score stage prints: the classifier, and the best explanation against every truth.

    Args:
        model: its name.
        maps: its heatmaps.
        name, best: of its best explanation, and what it is.
        content: truth -> explanation -> scores.
        classifier: the scores of the classifier, `classification` and for several classes `multiclass`.
    """
    classification = classifier["classification"]
    quality = f"average precision {classification['average_precision']:.3f}"
    if "multiclass" in classifier:
        of_classes = classifier["multiclass"]
        quality = f"accuracy {of_classes['accuracy']:.4f} of {len(of_classes['recall'])} classes"
    phrases = [f"{quality} on {classification['tiles']} test tiles"]
    for truth, named in content.items():
        scores = named[name]
        phrases.append(f"against {truth} f1 {scores['f1']:.3f}, pointing game {scores['pointing_game']:.3f}")
        if scores["beats_controls"] is False:
            phrases.append("DOES NOT BEAT ITS CONTROLS")
    setting = maps.words_for(best.method, best.fusion, best.discard)
    return f"score {model}, {name}{setting}: " + "; ".join(phrases)
