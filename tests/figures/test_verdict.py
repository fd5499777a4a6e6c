"""The verdict's sentences, word for word."""

import math

from stages.figures.report.verdict import verdict_sentences

NAN = math.nan


def row(truth, classifier, explanation, value, behind=(NAN, NAN, NAN), interval=(NAN, NAN), metric="f1"):
    return {
        "truth": truth,
        "classifier": classifier,
        "explanation": explanation,
        "metric": metric,
        "value": value,
        **dict(zip(("low", "high"), interval, strict=True)),
        **dict(zip(("behind", "behind_low", "behind_high"), behind, strict=True)),
    }


def of_model(classification=None, **beats):
    """Return what metrics/score says: of a classifier, and whether each explanation beats its controls."""
    known = {"tiles": 2000, "defective_tiles": 500, "precision": 0.816, "recall": 0.854, "average_precision": 0.9266}
    boxes = {explanation: {"beats_controls": value} for explanation, value in beats.items()}
    return {"classification": classification or known, "boxes": boxes, "exact": boxes}


SAID = (
    "The classifier of net: of its alarms 82% are right, and it finds 85% of the 500 defective ones among 2,000 test "
    "tiles (average precision 0.927; guessing gives 0.250)."
)


def test_a_winner_beyond_chance():
    standing = [
        row("boxes", "vit", "rollout_max", 0.285, behind=(0.281, 0.247, 0.315)),
        row("boxes", "net", "cam", 0.5657, behind=(0, 0, 0), interval=(0.5319, 0.5977)),
        row("boxes", "net", "gradcam", 0.5, behind=(0.0657, 0.01, 0.1)),  # of the same model: not the next one
        row("boxes", "vit", "rollout_min", NAN),
    ]
    scores = {"net": of_model(cam=True), "vit": of_model(rollout_max=False)}
    assert verdict_sentences(standing, "boxes", scores) == [
        "Against boxes, net explained by CAM finds the place best: F1 0.566 (95% interval 0.532 to 0.598). The next, "
        "vit by rollout max, is 0.281 behind (95% interval 0.247 to 0.315): more than chance explains. No control that "
        "knows nothing of defects scores as high.",
        SAID,
    ]


def test_a_lead_that_may_be_chance_and_a_control_that_is_as_good():
    standing = [
        row("boxes", "net", "cam", 0.5, behind=(0, 0, 0), metric="pointing_game"),
        row("boxes", "vit", "rollout_max", 0.48, behind=(0.02, -0.01, 0.05), metric="pointing_game"),
    ]
    said, _ = verdict_sentences(standing, "boxes", {"net": of_model(cam=False), "vit": of_model(rollout_max=True)})
    assert "pointing game 0.500. The next, vit by rollout max, is 0.020 behind" in said
    assert "(95% interval -0.010 to 0.050): chance may explain it. But a control that knows nothing" in said


def test_the_truth_that_is_ranked_by_comes_first_and_each_classifier_once():
    standing = [row(truth, "net", "cam", 0.5) for truth in ("boxes", "exact")]
    said = verdict_sentences(standing, "exact", {"net": of_model(cam=None)})
    assert said == [
        "Against exact masks, net explained by CAM finds the place best: F1 0.500.",
        "Against boxes, net explained by CAM finds the place best: F1 0.500.",
        SAID,
    ]


def test_what_cannot_be_said_is_not_said():
    standing = [
        row("boxes", "net", "cam", 0.5, (0, NAN, NAN)),
        row("boxes", "net", "gradcam", 0.4, (0.1, NAN, NAN)),  # no other model, so this one is the next
    ]
    only_defective = {"tiles": 9, "defective_tiles": 9, "precision": None, "recall": 1.0, "average_precision": None}
    said, believed = verdict_sentences(standing, "boxes", {"net": of_model(only_defective, cam=True)})
    assert "is 0.100 behind; there are too few groups of tiles to say how surely." in said
    assert believed == (
        "Whether the classifier of net can be believed these 9 test tiles do not tell: all of them are defective."
    )
    undefined = [row("boxes", "net", "cam", NAN)]
    assert verdict_sentences(undefined, "boxes", {}) == ["Against boxes no score is defined."]


def test_a_classifier_that_calls_nothing_defective():
    silent = {"tiles": 8, "defective_tiles": 2, "precision": None, "recall": 0.0, "average_precision": 0.3}
    _, believed = verdict_sentences([row("boxes", "net", "cam", 0.0)], "boxes", {"net": of_model(silent, cam=False)})
    assert believed.startswith(
        "The classifier of net: it calls none defective, and it finds 0% of the 2 defective ones"
    )


def test_a_classifier_of_several_classes():
    own = {"accuracy": 359 / 360, "tiles": 360, "recall": {"inclusion": 1.0, "patches": 0.98333}}
    standing = [row("boxes", "net", "cam", 0.5)]
    _, said = verdict_sentences(standing, "boxes", {"net": of_model(cam=True) | {"multiclass": own}})
    assert said == "The classifier of net names the right one of 2 classes for 99.72% of 360 test tiles."
