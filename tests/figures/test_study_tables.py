"""What this run has beside printed tables: the right value in the right cell, an interval only from something."""

import math

import pytest

from stages.figures.report import study_tables
from stages.figures.report.study_tables import Measured
from stages.metrics.binomial import exact_interval
from stages.ranking.score_tables import COLUMNS
from stages.records.files import write_csv
from stages.records.paths import plot_file
from tests.figures.rankings import NAN, estimate, fields, standing

BINARY = {"tiles": 400, "defective_tiles": 100, "accuracy": 0.95, "precision": 0.9, "recall": 0.9}
NAMES = ["EfficientNetV2_s_d", "EfficientNetV2_s", "MobileNetV3_large_d", "MobileNetV3_large"]
NAMES += [f"{model}_patch16_224_f{own}" for model in ("DeiT_tiny", "ViT_tiny") for own in ("min", "mean", "max")]


def measured(data_set="pcb", ranking=None, **metrics):
    content = ranking or fields(truth="boxes")
    return Measured(data_set, lambda: content, lambda stage: metrics[stage], COLUMNS, exact_interval)


def ranked(names=NAMES, **scores):
    """Return a ranking of these lines, each with all six scores at 0.5 (0.4 to 0.6) but for the ones given."""
    values = dict.fromkeys(COLUMNS, (0.5, 0.4, 0.6)) | scores
    rows = [
        standing("boxes", name.rsplit("_f", 1)[0], "cam", values, name=name, family="vit" if "_f" in name else "cnn",
                 average_rank=estimate(2.0, 1.5, 2.5))
        for name in names
    ]  # fmt: skip
    return fields(*rows, standing("exact", "EfficientNetV2_s", "cam", dict.fromkeys(COLUMNS, (0.9, 0.9, 0.9))))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_training_has_what_was_trained_with_and_exact_intervals_of_its_accuracies():
    name = "EfficientNetV2_s"
    counts = [
        ("good", "good", 150),
        ("good", "defective", 10),
        ("defective", "good", 0),
        ("defective", "defective", 40),
    ]
    write_csv(plot_file("confusion", name, ".csv"), ("actual", "predicted", "tiles"), counts)
    train = {name: {"lr": 8.41e-05, "batch": 32, "val_loss": 0.0812, "val_accuracy": 0.95}}
    rows = study_tables.training("thesis_table_3_2", measured(train=train, score={name: {"classification": BINARY}}))
    assert list(rows) == [
        "EfficientNetV2_s", "EfficientNetV2_s_d", "MobileNetV3_large", "MobileNetV3_large_d", "DeiT_tiny_patch16_224",
        "ViT_tiny_patch16_224",
    ]  # fmt: skip
    cells = rows[name]
    assert [cells[title].printed for title in cells] == ["0.0028", "64", "0.079", "98.41", "98.49"]
    assert [cells[title].ours.text for title in cells] == ["0.0000841", "32", "0.081", "95.00", "95.00"]
    low, high = exact_interval(190, 200)
    val = cells["Val accuracy, %"]
    assert (val.ours.low, val.ours.high) == (100 * low, 100 * high) and val.verdict == "below"
    assert cells["Test accuracy, %"].ours.low == 100 * exact_interval(380, 400)[0]
    assert all(cells[title].verdict == "" for title in ("Learning rate", "Batch size", "Loss"))
    assert {cell.ours.why for cell in rows["ViT_tiny_patch16_224"].values()} == {"not run"}


def test_without_the_count_of_validation_tiles_their_accuracy_has_no_interval():
    train = {"EfficientNetV2_s": {"lr": 1e-3, "batch": 32, "val_accuracy": 0.9841}}
    score = {"EfficientNetV2_s": {"classification": BINARY}}
    rows = study_tables.training("thesis_table_3_2", measured(train=train, score=score))
    cell = rows["EfficientNetV2_s"]["Val accuracy, %"]
    assert (cell.ours.text, cell.verdict, cell.ours.why) == ("98.41", "", "no interval")


def test_heatmaps_have_the_intervals_of_the_ranking_of_the_truth_it_goes_by():
    content = ranked(f1=(0.6, 0.55, 0.65), recall=(NAN, NAN, NAN), jaccard=(0.4, NAN, NAN))
    score = {model: {"classification": BINARY} for model in {name.rsplit("_f", 1)[0] for name in NAMES}}
    rows = study_tables.heatmaps("thesis_table_3_4", measured(ranking=content, score=score))
    cells = rows["EfficientNetV2_s_d"]
    assert (cells["F1"].printed, cells["F1"].ours.text, cells["F1"].verdict) == ("0.5482", "0.6000", "above")
    assert rows["MobileNetV3_large_d"]["F1"].verdict == "within"  # 0.6397
    assert (cells["Recall"].ours.text, cells["Recall"].ours.why, cells["Recall"].verdict) == ("", "undefined", "")
    assert (cells["Jaccard Index"].ours.text, cells["Jaccard Index"].ours.why) == ("0.4000", "no interval")
    assert cells["Classification accuracy"].ours.text == "0.9500"
    assert cells["Classification accuracy"].ours.low == exact_interval(380, 400)[0]
    # one accuracy is printed for the three rows of a ViT
    merged = rows["ViT_tiny_patch16_224_fmax"]["Classification accuracy"]
    assert (merged.printed, merged.ours.text, merged.ours.why) == (None, "", "")


def test_a_row_that_was_not_run_and_a_score_that_was_not_ranked_say_so():
    rows = fields(standing("boxes", "EfficientNetV2_s", "cam", {"f1": (0.5, 0.4, 0.6)}))
    score = {"EfficientNetV2_s": {"classification": BINARY}}
    table = study_tables.heatmaps("thesis_table_3_4", measured(ranking=rows, score=score))
    assert table["EfficientNetV2_s"]["Recall"].ours.why == "not ranked by"
    assert table["MobileNetV3_large"]["F1"].ours.why == "not run"


def test_several_seeds_have_their_mean_accuracy_and_no_binomial_interval():
    rows = fields(standing("boxes", "EfficientNetV2_s again", "cam", dict.fromkeys(COLUMNS, (0.5, 0.4, 0.6))))
    score = {"EfficientNetV2_s": {"classification": BINARY}, "again": {"classification": BINARY | {"accuracy": 0.97}}}
    cell = study_tables.heatmaps("thesis_table_3_4", measured(ranking=rows, score=score))["EfficientNetV2_s"]
    accuracy = cell["Classification accuracy"]
    assert (accuracy.ours.text, accuracy.ours.why, accuracy.verdict) == ("0.9600", "mean of 2 seeds", "")


def test_an_average_rank_is_compared_where_the_same_rows_and_scores_are_ranked():
    rows = study_tables.ranks("thesis_table_3_5", measured(ranking=ranked()))
    assert rows["MobileNetV3_large_d"]["Average rank"].verdict == "within"  # 2
    assert rows["MobileNetV3_large"]["Average rank"].verdict == "below"  # 3.3
    assert (rows["EfficientNetV2_s"]["F1"].printed, rows["EfficientNetV2_s"]["F1"].ours.text) == ("4", "1")
    assert rows["EfficientNetV2_s"]["F1"].verdict == ""
    fewer = study_tables.ranks("thesis_table_3_5", measured(ranking=ranked(NAMES[:3])))
    average = fewer["MobileNetV3_large_d"]["Average rank"]
    assert (average.ours.text, average.verdict, average.ours.why) == ("2.00", "", "among other rows or scores")
    assert fewer["MobileNetV3_large"]["Average rank"].ours.why == "not run"


def test_binary_classifiers_have_exact_intervals_over_the_tiles_that_each_share_is_of():
    scores = {"VGG16": {"classification": BINARY}}
    rows = study_tables.classifiers("paper_table_1", measured("casting", score=scores))
    assert list(rows) == ["casting", "neu_det"]
    ours = {title.partition(": ")[2]: cell.ours for title, cell in rows["casting"].items() if title.startswith("CNN")}
    assert [own.text for own in ours.values()] == ["95.00", "90.00", "90.00"]
    for title, hits, trials in (("Accuracy, %", 380, 400), ("Precision, %", 90, 100), ("Recall, %", 90, 100)):
        assert (ours[title].low, ours[title].high) == tuple(100 * end for end in exact_interval(hits, trials))
    assert rows["casting"]["ViT (ViT-S/16 DINO): Recall, %"].ours.why == "not run"
    assert rows["neu_det"]["CNN (VGG16): Recall, %"].ours.why == "other study"
    assert rows["neu_det"]["CNN (VGG16): Precision, %"].printed == "99.73"


def test_a_classifier_that_calls_nothing_defective_has_no_precision():
    scores = {"VGG16": {"classification": BINARY | {"precision": None, "recall": 0.0}}}
    rows = study_tables.classifiers("paper_table_1", measured("casting", score=scores))
    assert rows["casting"]["CNN (VGG16): Precision, %"].ours.why == "undefined"


def test_of_several_classes_precision_and_recall_are_means_without_an_interval():
    """Of class a 3 of 4 are found, of b 5 of 6; 3 of 4 that are called a are right, 5 of 6 called b; nobody is a c."""
    confusion = {"a": {"a": 3, "b": 1, "c": 0}, "b": {"a": 1, "b": 5, "c": 0}, "c": {"a": 0, "b": 0, "c": 0}}
    several = {"accuracy": 0.8, "tiles": 10, "recall": {"a": 0.75, "b": 5 / 6, "c": None}, "confusion": confusion}
    scores = {"VGG16": {"classification": BINARY, "multiclass": several}}
    row = study_tables.classifiers("paper_table_1", measured("neu_det", score=scores))["neu_det"]
    assert row["CNN (VGG16): Accuracy, %"].ours.low == 100 * exact_interval(8, 10)[0]
    for title in ("Precision", "Recall"):
        cell = row[f"CNN (VGG16): {title}, %"]
        assert (cell.ours.text, cell.ours.why, cell.verdict) == ("79.17", "mean of classes", "")


def test_times_stand_beside_in_ms_and_in_forward_passes_and_are_not_compared():
    ms = {"mean_ms": 50.0, "std_ms": 2.0}
    settings = {"gradcam": {"gradcam": {"0": {"mean_ms": 120.0, "std_ms": 5.0}}}}
    row = study_tables.times(
        "paper_table_2", measured("casting", time={"VGG16": {"forward": ms, "settings": settings}})
    )["casting"]
    cell = row["CNN (VGG16): gradcam"]
    assert (cell.printed, cell.ours.text, cell.verdict) == ("89.2 \u00b1 4.7", "120.0 \u00b1 5.0", "")
    assert cell.ours.why == "2.4 forward passes, printed 1.7"  # 89.2 / 51.0
    assert row["CNN (VGG16): forward"].ours.text == "50.0 \u00b1 2.0"
    assert row["CNN (VGG16): occlusion"].ours.why == "not run"
    assert list(row)[3:] == [f"ViT (ViT-S/16 DINO): {name}" for name in ("forward", "rollout", "lrp")]
    assert all(math.isnan(other.ours.low) for other in row.values())
