"""The templates of DVC plots: filled in as DVC does it, compiled, and searched for the numbers they must show."""

import json
import re
from pathlib import Path

import pytest
import vl_convert

TEMPLATES = Path(__file__).parents[2] / ".dvc" / "plots"


def filled(name, rows, x, y, revisions=("workspace",)):
    """Return a template with its anchors filled in; DVC passes CSV fields on as text and adds the revision."""
    text = (TEMPLATES / f"{name}.json").read_text(encoding="utf-8")
    data = [{key: str(value) for key, value in row.items()} | {"rev": rev} for rev in revisions for row in rows]
    text = text.replace('"<DVC_METRIC_DATA>"', json.dumps(data))
    anchors = {"TITLE": "A title", "X": x, "Y": y, "X_LABEL": x, "Y_LABEL": y}
    for anchor, value in anchors.items():
        text = text.replace(f"<DVC_METRIC_{anchor}>", value)
    assert "<DVC" not in text
    return json.loads(text)


def texts(spec):
    """Return what is written in the rendered picture."""
    svg = vl_convert.vegalite_to_svg(spec)
    assert "NaN" not in svg
    return re.findall(r">([^<>]+)</text>", svg)


def setting(fusion, discard, metric, value, truth="boxes", split="test"):
    return {
        "truth": truth,
        "split": split,
        "fusion": fusion,
        "discard": discard,
        "metric": metric,
        "value": value,
    }


def test_settings_shows_every_test_score_once():
    rows = [
        setting("min", 0.0, "f1", 0.111),
        setting("min", 0.9, "f1", 0.222),
        setting("max", 0.0, "f1", 0.333),
        setting("max", 0.9, "f1", ""),
        setting("max", 0.9, "f1", 0.987, split="val"),
        setting("min", 0.0, "pointing_game", 0.444, truth="exact"),
        setting("gradcam", 0.0, "f1", 0.555),
        setting("novelty_distance", 0.0, "f1", 0.565),
        setting("novelty", 0.0, "f1", 0.668),
        setting("novelty", 4.0, "f1", 0.779),
        setting("rollout_min", 0.9, "f1", 0.666),  # beside another method that is the model's own
        setting("rollout_randomised_min", 0.0, "f1", 0.777),
    ]
    written = texts(filled("settings", rows, "discard", "value"))
    # a column of its own for methods that discard nothing, before the ratios; of novelty the columns are its weights
    columns = ("not used", "0", "0.9", "4")
    assert [text for text in written if text in columns][:4] == list(columns)
    for number in ("0.555", "0.565", "0.111", "0.222", "0.333", "0.444", "0.666", "0.668", "0.777", "0.779", "n/a"):
        assert written.count(number) == 1
    assert "0.987" not in written
    assert {"A title", "pointing game", "min", "max", "0", "0.9"} <= set(written)
    assert {"against boxes | workspace", "against exact masks | workspace"} <= set(written)


def test_settings_of_a_cnn_in_two_revisions():
    rows = [setting("cam", 0.0, "f1", 0.512)]
    written = texts(filled("settings", rows, "discard", "value", ("main", "workspace")))
    assert written.count("0.512") == 2
    assert {"cam", "not used", "against boxes | main", "against boxes | workspace"} <= set(written)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_curves_share_a_panel_by_quantity(revisions):
    values = {"train_loss": 0.5, "val_loss": 0.6, "val_average_precision": 0.9, "lr": 0.001}
    rows = [{"epoch": epoch, "curve": curve, "value": value} for curve, value in values.items() for epoch in (1, 2)]
    written = texts(filled("curves", rows, "epoch", "value", revisions))
    for panel in ("loss", "average precision", "lr"):
        assert written.count(panel) == 1
    assert {"train", "val", "epoch", *revisions} <= set(written)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_ranking_is_sorted_by_the_average_rank(revisions):
    ranks = {("cnn", "full"): (2, 1.75), ("cnn", "down"): (1, 1.25), ("vit", "deit_fmax"): (1, 1.0)}
    rows = [
        {"family": family, "model": model, "metric": metric, "rank": rank, "value": value}
        for (family, model), (place, average) in ranks.items()
        for metric, rank, value in (("pointing_game", place, 0.5), ("average", average, ""))
    ]
    written = texts(filled("ranking", rows, "metric", "rank", revisions))
    assert written.index("down") < written.index("full")
    for number in ("1.25", "1.75"):
        assert written.count(number) == len(revisions)
    assert {"CNN", "ViT", "deit_fmax", "pointing game", "average", *revisions} <= set(written)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_ranks_show_the_interval_of_the_average(revisions):
    row = {"family": "vit", "model": "deit", "metric": "average", "rank": 1.5, "value": "", "low": 1.0, "high": 2.25}
    other = row | {"model": "vit", "rank": 2.5, "low": "", "high": ""}
    written = texts(filled("ranking", [row, other], "metric", "rank", revisions))
    assert written.count("1.5 (1-2.25)") == len(revisions)
    assert written.count("2.5") == len(revisions)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_intervals_of_both_truths(revisions):
    rows = [
        {"truth": truth, "family": family, "model": model, "metric": metric, "value": value, "low": low, "high": high}
        for truth in ("boxes", "exact")
        for family, model, metric, value, low, high in (
            ("cnn", "full", "f1", 0.4, 0.3, 0.5),
            ("vit", "deit_fmax", "f1", 0.2, "", ""),
            ("vit", "deit_fmax", "pointing_game", "", "", ""),
        )
    ]
    spec = filled("intervals", rows, "value", "model", revisions)
    written = texts(spec)
    for rev in revisions:
        assert {f"against boxes | {rev}", f"against exact masks | {rev}"} <= set(written)
    assert {"full", "deit_fmax", "f1", "CNN", "ViT"} <= set(written)
    assert "pointing game" not in written  # nothing is known of it


def test_perturbation_curves_beside_the_random_map():
    rows = [
        {"row": "rollout_max", "map": source, "curve": curve, "fill": fill, "fraction": x, "probability": 0.5}
        for source in ("own", "random")
        for curve in ("deletion", "insertion")
        for fill in ("mean", "blur")
        for x in (0.0, 1.0)
    ]
    written = texts(filled("perturb", rows, "fraction", "probability"))
    assert {"deletion", "insertion", "mean fill", "blur fill", "rollout max", "random map"} <= set(written)


def test_strata_show_three_scores_of_every_part():
    rows = [
        {"truth": "exact", "by": by, "stratum": part, "tiles": 9, "row": "cam", "metric": metric, "value": value}
        for by, part, metric, value in (
            ("kind", "open_circuit", "f1", 0.123),
            ("area", "small", "f1", ""),
            ("area", "small", "recall", 0.987),
        )
    ]
    written = texts(filled("strata", rows, "value", "row"))
    assert {"open circuit", "area: small", "cam", "0.123", "n/a"} <= set(written)
    assert "0.987" not in written


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_confusion_shows_every_count(revisions):
    counts = {("good", "good"): 41, ("good", "short"): 2, ("short", "good"): 0, ("short", "short"): 17}
    rows = [{"actual": actual, "predicted": called, "tiles": n} for (actual, called), n in counts.items()]
    written = texts(filled("confusion_counts", rows, "predicted", "actual", revisions))
    for number in ("41", "2", "0", "17"):
        assert written.count(number) == len(revisions)
    assert {"good", "short", "predicted", "actual"} <= set(written)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_thresholds_show_three_scores_and_where_the_rules_are(revisions):
    rows = [
        {"truth": truth, "row": row, "threshold": level, "rule": rule, "f1": 0.5, "precision": "", "recall": 0.25}
        for truth in ("boxes", "exact")
        for row in ("rollout_min", "rollout_max")
        for level, rule in ((0, ""), (127, "thesis"), (42, "validation"), (250, ""))
    ]
    spec = filled("thresholds", rows, "threshold", "f1", revisions)
    written = texts(spec)
    assert {"f1", "recall", "rollout min", "rollout max", "thesis", "validation"} <= set(written)
    assert "precision" not in written  # it is undefined everywhere
    for rev in revisions:
        assert {f"against boxes | {rev}", f"against exact masks | {rev}"} <= set(written)
    drawn = vl_convert.vegalite_to_svg(spec)
    assert drawn.count('aria-roledescription="line mark"') == 2 * 2 * 2 * len(revisions)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_latency_names_one_point_per_model_and_draws_the_front(revisions):
    rows = [
        {"truth": "boxes", "family": family, "model": model, "explanation": "cam", "metric": "pointing_game"}
        | {"latency_ms": ms, "value": value, "low": low, "high": high, "on_front": front, "best_of_classifier": best}
        for family, model, ms, value, low, high, front, best in (
            ("cnn", "full", 40.0, 0.6, 0.5, 0.7, 1, 1),
            ("cnn", "down", 30.0, 0.4, "", "", 1, 1),
            ("vit", "deit_fmin", 45.0, 0.2, 0.1, 0.3, 0, 1),
            ("vit", "deit_fmax", 45.0, 0.1, 0.1, 0.3, 0, 0),
            ("vit", "not_timed", "", 0.1, 0.1, 0.3, 0, 1),
        )
    ]
    spec = filled("latency", rows, "latency_ms", "value", revisions)
    written = texts(spec)
    for model in ("full", "down", "deit_fmin"):
        assert written.count(model) == len(revisions)
    assert not {"deit_fmax", "not_timed"} & set(written)
    assert {f"pointing game against boxes | {rev}" for rev in revisions} <= set(written)
    drawn = vl_convert.vegalite_to_svg(spec)
    assert drawn.count('aria-roledescription="point"') == 4 * len(revisions)
    assert drawn.count('aria-roledescription="rule mark"') == 2 * len(revisions)
    assert drawn.count('aria-roledescription="line mark"') == len(revisions)


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_froc_is_a_line_of_each_explanation_over_false_regions(revisions):
    rows = [
        {"truth": truth, "row": row, "false_regions": most, "found": found, "threshold": ""}
        for truth in ("boxes", "exact")
        for row, found in (("cam", 0.75), ("random_map", 0.0))
        for most in (0.125, 1, 8)
    ]
    spec = filled("froc", rows, "false_regions", "found", revisions)
    written = texts(spec)
    assert {"1/8", "1/4", "1/2", "1", "2", "4", "8", "cam", "random map", "share of defects found"} <= set(written)
    assert {f"against exact masks | {rev}" for rev in revisions} <= set(written)
    drawn = re.findall(r'aria-roledescription="line mark" d="([^"]+)"', vl_convert.vegalite_to_svg(spec))
    assert [path.count("L") for path in drawn] == [2] * 4 * len(revisions)


SUBTITLE = "one line per trial: whole complete, dashed given up, dotted grey failed"


def trial(number, lr, batch, accuracy, state="complete"):
    row = {"model": "cnn", "trial": number, "lr": lr, "batch": batch, "epochs": 4}
    return row | {"val_accuracy": accuracy, "state": state}


@pytest.mark.parametrize("revisions", [("workspace",), ("main", "workspace")])
def test_trials_are_lines_over_three_axes(revisions):
    rows = [trial(1, 1e-4, 32, 0.91), trial(2, 1e-2, 64, 0.95), trial(3, 1e-3, 32, 0.5, "pruned")]
    spec = filled("trials", [*rows, trial(4, 5e-3, 64, "", "failed")], "lr", "val_accuracy", revisions)
    written = texts(spec)
    for axis in ("learning rate", "batch", "validation accuracy"):
        assert written.count(axis) == len(revisions)
    for number in ("0.0001", "0.01", "32", "64", "0.5", "0.95"):  # the ends of each axis
        assert number in written, number
    drawn = re.findall(r'aria-roledescription="line mark" d="([^"]+)"', vl_convert.vegalite_to_svg(spec))
    assert len(drawn) == 4 * len(revisions)
    # three points a line, but for the one that has no score
    assert sorted(path.count("L") for path in drawn) == sorted([2, 2, 2, 1] * len(revisions))


def test_one_trial_has_no_range_and_none_leaves_the_title():
    written = texts(filled("trials", [trial(1, 2e-3, 32, 0.9)], "lr", "val_accuracy"))
    assert {"0.002", "32", "0.9"} <= set(written)
    off = {"model": "cnn", "trial": "", "lr": "", "batch": "", "epochs": "", "val_accuracy": "", "state": "off"}
    assert texts(filled("trials", [off], "lr", "val_accuracy")) == ["A title", SUBTITLE]
