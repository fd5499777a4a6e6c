"""Studies as files of overrides: checked as params.yaml is, laid over it, and what the published ones say."""

from pathlib import Path
from typing import Any

import pytest

from stages.check import refuse_wrong
from stages.datasets.sources import SOURCES
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.studies.overrides import known_studies, laid_over, read_study
from tests.dependencies import REPOSITORY

PARAMS = read_params(REPOSITORY / "params.yaml")
THESIS = ["thesis_gid", "thesis_pcb"]
PAPER = ["paper_casting", "paper_neu_det"]


def with_study(name: str) -> Params:
    return Params(laid_over(PARAMS.content, read_study(name, PARAMS)))


@pytest.mark.parametrize("name", known_studies())
def test_stage_check_accepts_every_study(name: str) -> None:
    params = with_study(name)
    if params.dataset_name not in SOURCES:
        pytest.skip(f"{params.dataset_name} is no data set yet")
    refuse_wrong(params)


@pytest.mark.parametrize("name", THESIS)
def test_a_thesis_study_is_as_its_tables_say(name: str) -> None:
    """Tables 2.2 and 3.1, figure 3.10."""
    params = with_study(name)
    value = {key: params.value(key, Any) for key in ("tile.px", "tile.overlap_px", "tile.defect_threshold", "split.by")}
    assert list(value.values()) == [224, 2, 0.01, "tile"]
    assert [params.value(f"split.{part}", float) for part in ("train", "val", "test")] == [0.7, 0.1, 0.2]
    assert params.get("split")["good_per_defective"] is None
    assert params.get("tune")["lr"] == {"cnn": [1e-4, 1e-2], "vit": [1e-5, 1e-4]}
    assert (params.get("tune")["trials"], params.get("tune")["batch"]) == (10, [32, 64])
    assert params.get("model")["epochs"] == 20
    assert params.get("explain")["discard"] == [number / 10 for number in range(10)]
    assert params.get("explain")["fusion"] == ["min", "mean", "max"]
    assert list(params.models) == [
        "EfficientNetV2_s", "EfficientNetV2_s_d", "MobileNetV3_large", "MobileNetV3_large_d", "DeiT_tiny_patch16_224",
        "ViT_tiny_patch16_224",
    ]  # fmt: skip
    assert params.get("family")["cnn"]["good_per_defective"] is None  # an epoch sees all tiles


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_study_explains_by_its_four_methods(name: str) -> None:
    params = with_study(name)
    assert list(params.models) == ["VGG16", "ViT_small_DINO"]
    assert params.get("explain")["methods"] == {"cnn": ["gradcam", "occlusion"], "vit": ["rollout", "lrp"]}
    assert params.get("tile")["mode"] == "resize" and params.get("tile")["px"] == 224
    assert params.get("model")["warmup_epochs"] < params.get("model")["epochs"]  # transfer learning, then fine-tuning


def test_values_are_laid_over_and_the_rest_stays() -> None:
    content = {"a": {"x": 1, "y": [1, 2]}, "models": {"one": {"family": "cnn", "lr": 0.1}}}
    laid = laid_over(content, {"a.y": [3], "models.one": {"lr": 0.2}, "models.two": {"family": "vit"}})
    assert laid == {"a": {"x": 1, "y": [3]}, "models": {"one": {"family": "cnn", "lr": 0.2}, "two": {"family": "vit"}}}
    assert laid_over(content, {"models": {"two": {"family": "vit"}}})["models"] == {"two": {"family": "vit"}}
    assert content["a"]["y"] == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tile.pxx: 224", "tile.pxx is not known; params.yaml has there: px, overlap_px"),
        ("tilex.px: 224", "tilex.px is not known; params.yaml has there: no such section"),
        ("tile.px.deep: 224", "tile.px.deep is not known"),
        ("tile: {px: 224}", "tile: give each value of a section by its own dotted name"),
        ("tile.px: 224.5", "tile.px is 224.5; expected a whole number"),
        ("tile.label_by: masks", "tile.label_by is 'masks'; use one of auto, boxes, exact"),
        ("task: both", "task is 'both'; use one of binary, multiclass"),
        ("explain.fusion: mean", "explain.fusion is 'mean'; expected a list"),
        ("explain.methods.cnn: cam", "explain.methods.cnn is 'cam'; expected a list"),
        ("explain.occlusion.window_px: wide", "explain.occlusion.window_px is 'wide'; expected a number"),
        ("rank.metrics: [f2]", "rank.metrics has 'f2'"),
        ("model.lr: fast", "model.lr is 'fast'; expected a number"),
        ("models: 3", "models is 3; expected a mapping"),
        ("models.VGG16: {weights: hub}", "models.VGG16.family is missing"),
        ("models.VGG16: {family: cnn, learning_rate: 1}", "models.VGG16.learning_rate is not known"),
        ("- tile.px", "expected lines of a dotted name and its value"),
        ("tile.px: [", "not readable as YAML"),
        ("", "expected lines of a dotted name and its value"),
    ],
)
def test_a_wrong_study_is_refused_by_file_and_parameter(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_study("mine", PARAMS, tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'mine.yaml'}: {message}")
    assert "\n" not in str(raised.value)


def test_an_unknown_study_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"study 'thesis' is not known; use one of .*paper_casting, .*thesis_pcb"):
        read_study("thesis", PARAMS)
