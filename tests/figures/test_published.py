"""Printed values beside ours: only for the data sets of the two studies, digit for digit."""

import pytest

from stages.figures.report.published import known_data_sets, ms_text, published_tables

OURS = {
    "heatmaps": {"MobileNetV3_large": {"F1": 0.5, "Recall": 0.25}, "net": {"F1": 0.75}},
    "classifiers": {"net": {"Accuracy, %": "99.00"}},
    "times": {"net": {"forward": "12.0 \u00b1 0.5"}},
}


def test_the_studies_data_sets_are_known_and_no_other_has_values():
    assert known_data_sets() == ["casting", "gid", "neu_det", "pcb"]
    assert published_tables("boards", OURS) == {}


def test_ours_stand_below_the_printed_row_of_the_same_model_and_else_last():
    ((caption, rows),) = published_tables("pcb", OURS).items()
    assert caption.startswith("Table 3.4 of the thesis")
    names = list(rows)
    assert len(names) == 10 + 2
    place = names.index("MobileNetV3_large, the thesis")
    assert names[place + 1] == "MobileNetV3_large, ours"
    assert names[-1] == "net, ours"
    assert rows["MobileNetV3_large, ours"]["F1"] == 0.5
    printed = rows["MobileNetV3_large, the thesis"]
    assert (printed["F1"], printed["Pointing game"], printed["Classification accuracy"]) == (
        "0.5214",
        "0.5701",
        "0.9815",
    )
    assert rows["ViT_tiny_patch16_224_fmax, the thesis"]["Classification accuracy"] is None


def test_gid_has_its_own_table():
    (rows,) = published_tables("gid", OURS).values()
    assert rows["MobileNetV3_large, the thesis"]["F1"] == "0.2540"


@pytest.mark.parametrize(
    ("data_set", "accuracy", "lrp"),
    [("casting", "99.58", "266.4 \u00b1 26.1"), ("neu_det", "99.72", "246.3 \u00b1 17.2")],
)
def test_the_papers_classifiers_and_times(data_set, accuracy, lrp):
    classifiers, times = published_tables(data_set, OURS).values()
    vit = "ViT (ViT-S/16 DINO), the paper"
    assert list(classifiers) == ["CNN (VGG16), the paper", vit, "net, ours"]
    assert classifiers[vit]["Accuracy, %"] == accuracy
    assert (times[vit]["lrp"], times[vit]["gradcam"]) == (lrp, None)
    assert times["net, ours"] == {"forward": "12.0 \u00b1 0.5"}


@pytest.mark.parametrize(("ms", "text"), [(51.04, "51.0"), (1.0, "1.0"), (0.123, "0.12"), (3e-6, "3e-06")])
def test_milliseconds_have_a_decimal_and_small_ones_their_digits(ms, text):
    assert ms_text(ms) == text
