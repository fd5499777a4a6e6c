"""Printed values beside ours: only for the data sets of the two studies, digit for digit."""

import pytest

from stages.figures.report.published import Ours, known_data_sets, published_tables

OURS = Ours(
    segmentation={"MobileNetV3_large": {"F1": 0.5, "Recall": 0.25}, "net": {"F1": 0.75}},
    classification={"net": {"Accuracy, %": "99.00"}},
    times={"net": {"forward": "12.0 \u00b1 0.5"}},
)


def test_the_studies_data_sets_are_known_and_no_other_has_values():
    assert known_data_sets() == ["casting", "gid", "neu_det", "pcb"]
    assert published_tables("boards", OURS) == []


def test_ours_stand_below_the_printed_row_of_the_same_model_and_else_last():
    (table,) = published_tables("pcb", OURS)
    assert table.caption.startswith("Table 3.4 of the thesis")
    names = list(table.rows)
    assert len(names) == 10 + 2
    place = names.index("MobileNetV3_large, the thesis")
    assert names[place + 1] == "MobileNetV3_large, ours"
    assert names[-1] == "net, ours"
    assert table.rows["MobileNetV3_large, ours"]["F1"] == 0.5
    printed = table.rows["MobileNetV3_large, the thesis"]
    assert (printed["F1"], printed["Pointing game"], printed["Classification accuracy"]) == (
        "0.5214",
        "0.5701",
        "0.9815",
    )
    assert table.rows["ViT_tiny_patch16_224_fmax, the thesis"]["Classification accuracy"] is None


def test_gid_has_its_own_table():
    (table,) = published_tables("gid", OURS)
    assert table.rows["MobileNetV3_large, the thesis"]["F1"] == "0.2540"


@pytest.mark.parametrize(
    ("data_set", "accuracy", "lrp"),
    [("casting", "99.58", "266.4 \u00b1 26.1"), ("neu_det", "99.72", "246.3 \u00b1 17.2")],
)
def test_the_papers_classifiers_and_times(data_set, accuracy, lrp):
    classifiers, times = published_tables(data_set, OURS)
    vit = "ViT (ViT-S/16 DINO), the paper"
    assert list(classifiers.rows) == ["CNN (VGG16), the paper", vit, "net, ours"]
    assert classifiers.rows[vit]["Accuracy, %"] == accuracy
    assert (times.rows[vit]["lrp"], times.rows[vit]["gradcam"]) == (lrp, None)
    assert times.rows["net, ours"] == {"forward": "12.0 \u00b1 0.5"}
