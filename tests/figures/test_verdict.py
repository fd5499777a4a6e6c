"""The verdict's sentences, word for word."""

from stages.figures.report.verdict import section, verdict_sentences
from tests.figures.rankings import NAN, fields, standing


def row(truth, models, explanation, value, place=1, behind=(NAN, NAN, NAN), interval=(NAN, NAN), **more):
    """Return how an explanation stands in one metric, over twelve clusters; what is behind is told apart."""
    metric, clusters = more.pop("metric", "f1"), more.pop("clusters", 12)
    more = {"told_apart": "yes" if place > 1 else ""} | more
    return standing(truth, models, explanation, {metric: (value, *interval, clusters)}, place, behind, **more)


def of_model(**classification):
    """Return what metrics/score says of a classifier."""
    known = {"tiles": 2000, "defective_tiles": 500, "precision": 0.816, "recall": 0.854, "average_precision": 0.9266}
    return {"classification": known | classification}


SCORES = {"net": of_model(), "vit": of_model()}
SAID = (
    "The classifier of net: of its alarms 82% are right, and it finds 85% of the 500 defective ones among 2,000 test "
    "tiles (average precision 0.927; guessing gives 0.250)."
)


def test_a_winner_beyond_chance():
    standings = [
        row("boxes", "vit", "rollout_max", 0.285, place=3, behind=(0.281, 0.247, 0.315)),
        row("boxes", "net", "cam", 0.5657, behind=(0, 0, 0), interval=(0.5319, 0.5977), told_apart=""),
        row("boxes", "net", "gradcam", 0.5, place=2, behind=(0.0657, 0.01, 0.1)),  # same model: not the next one
        row("boxes", "vit", "rollout_min", NAN, place=4),
    ]
    assert verdict_sentences(fields(*standings), SCORES) == [
        "Against boxes, net explained by CAM finds the place best by average rank: F1 0.566 (95% interval 0.532 to "
        "0.598). The next, vit by rollout max, is 0.281 behind in F1 (95% interval 0.247 to 0.315): more than chance "
        "explains. No control that knows nothing of defects scores as high.",
        SAID,
    ]


def test_the_best_is_the_one_that_rank_puts_first_and_not_the_highest_in_one_score():
    standings = [
        row("boxes", "vit", "rollout_max", 0.52, place=2, behind=(-0.02, -0.05, 0.01), told_apart="no"),
        row("boxes", "net", "cam", 0.5, behind=(0, 0, 0), told_apart=""),
    ]
    said, _ = verdict_sentences(fields(*standings), SCORES)
    assert said.startswith("Against boxes, net explained by CAM finds the place best by average rank: F1 0.500.")
    assert "vit by rollout max, is 0.020 ahead in F1 (95% interval -0.010 to 0.050): chance may explain it." in said


def test_a_lead_that_may_be_chance_and_a_control_that_is_as_good():
    standings = [
        row("boxes", "net", "cam", 0.5, metric="pointing_game", controls_beaten=0, told_apart=""),
        row("boxes", "vit", "rollout_max", 0.48, 2, (0.02, -0.01, 0.05), metric="pointing_game", told_apart="no"),
    ]
    said, _ = verdict_sentences(fields(*standings), SCORES)
    assert "pointing game 0.500. The next, vit by rollout max, is 0.020 behind in pointing game (95% " in said
    assert "interval -0.010 to 0.050): chance may explain it. But a control that knows nothing of defects" in said


def test_a_refined_map_that_is_no_better_than_a_smooth_one():
    standings = [row("boxes", "net", "cam_guided", 0.5, controls_beaten=0, told_apart="")]
    said, _ = verdict_sentences(fields(*standings), SCORES)
    assert said.endswith(
        "scores as high: it is not shown that the model looks there, or that the refinement is more than smoothing."
    )


def test_the_truth_that_is_ranked_by_comes_first_and_each_classifier_once():
    standings = [row(truth, "net", "cam", 0.5, controls_beaten=None) for truth in ("boxes", "exact")]
    said = verdict_sentences(fields(*standings, truth="exact"), SCORES)
    assert said == [
        "Against exact masks, net explained by CAM finds the place best by average rank: F1 0.500.",
        "Against boxes, net explained by CAM finds the place best by average rank: F1 0.500.",
        SAID,
    ]


def test_several_seeds_are_spoken_of_together():
    standings = [row("boxes", "net net_seed1 net_seed2", "cam", 0.5, controls_beaten=2, interval=(0.4, 0.6))]
    scores = {"net": of_model(), "net_seed1": of_model(precision=0.9), "net_seed2": of_model(precision=0.9, recall=0.9)}
    said, believed = verdict_sentences(fields(*standings), scores)
    assert "F1 0.500, mean of 3 seeds (95% interval 0.400 to 0.600)." in said
    assert "But a control that knows nothing of defects scores as high in 1 of 3 seeds: it is not shown" in said
    assert believed.startswith(
        "The classifier of net (means of 3 seeds): of its alarms 87% are right, and it finds 87% of"
    )


def test_what_cannot_be_said_is_not_said():
    standings = [
        row("boxes", "net", "cam", 0.5, behind=(0, NAN, NAN), told_apart=""),
        # no other model, so this one is the next
        row("boxes", "net", "gradcam", 0.4, 2, (0.1, NAN, NAN), told_apart="too few", clusters=1),
    ]
    only = of_model(tiles=9, defective_tiles=9, precision=None, recall=1.0, average_precision=None)
    said, believed = verdict_sentences(fields(*standings), {"net": only})
    assert "is 0.100 behind in F1; so few clusters of tiles (1) do not say how surely." in said
    assert believed == (
        "Whether the classifier of net can be believed these 9 test tiles do not tell: all of them are defective."
    )
    undefined = [row("boxes", "net", "cam", NAN)]
    assert verdict_sentences(fields(*undefined), {}) == ["Against boxes no score is defined."]


def test_a_classifier_that_calls_nothing_defective():
    silent = of_model(tiles=8, defective_tiles=2, precision=None, recall=0.0, average_precision=0.3)
    _, believed = verdict_sentences(fields(row("boxes", "net", "cam", 0.0)), {"net": silent})
    assert believed.startswith(
        "The classifier of net: it calls none defective, and it finds 0% of the 2 defective ones"
    )


def test_a_classifier_of_several_classes():
    own = {"accuracy": 359 / 360, "tiles": 360, "recall": {"inclusion": 1.0, "patches": 0.98333}}
    standings = [row("boxes", "net", "cam", 0.5)]
    _, said = verdict_sentences(fields(*standings), {"net": of_model() | {"multiclass": own}})
    assert said == "The classifier of net names the right one of 2 classes for 99.72% of 360 test tiles."


def test_ranks_own_sentence_is_folded_up_and_without_truth_nothing_is_ranked():
    text = section(fields(row("boxes", "net", "cam", 0.5), sentence="a < b"), SCORES)
    assert text.endswith("<details><summary>CNN against ViT, in every score</summary><p>a &lt; b</p></details>")
    nothing = '<p class="verdict">Nothing could be ranked: the data set has no annotated area.</p>'
    assert section(fields(), {}) == nothing
