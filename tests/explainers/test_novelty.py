"""Novelty: the class map and the distance to good training tiles, by the formula, learned from good tiles alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from stages.explain import explain
from stages.explainers import cam, rollout
from stages.explainers.explainer import Explainer, learn_from, prepare_explainers
from stages.explainers.methods import Explain, refuse_methods
from stages.explainers.settings import Methods
from stages.heatmaps.maps import open_maps
from stages.models.features import EarlyFeatures
from stages.models.geometry import enlarged
from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.trained import Description, load_classifier, save_classifier
from stages.models.weights import SCRATCH, Classifier, build_classifier
from stages.records.paths import maps_folder, model_folder, split_file, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.time import time
from tests.models.tiny import CPU, tiny_project
from tests.parameters import but

PX = 32
ARCHITECTURES = {
    "cnn": Architecture("cnn", "test_efficientnet", 16),
    "hybrid": Architecture("vit", "test_vit", 16, "test_efficientnet", 2),
    "vit": Architecture("vit", "test_vit", None),
}
WEIGHTS = (0.0, 1.0, 3.0)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The section `explain`, in a folder with tiles: 16 to train on, 8 for validation, a third of them good."""
    models = {name: {"family": of.family} for name, of in ARCHITECTURES.items()}
    tiny_project(tmp_path, models, {}, tiles=24)
    monkeypatch.chdir(tmp_path)
    given = read_params().read(Explain)
    novelty = replace(given.novelty, weights=WEIGHTS, candidates=60, memory=20, channels=6)
    return replace(given, batch=3, methods=Methods(("cam", "novelty"), ("rollout", "novelty")), novelty=novelty)


def tiles() -> Tiles:
    return open_tiles(tiles_folder("boards"), split_file("boards"))


def model_of(name: str, classes: tuple[str, ...] = ("good", "defective")) -> tuple[Classifier, Description]:
    torch.manual_seed(1)
    task = "binary" if len(classes) == 2 else "multiclass"
    description = Description(name, ARCHITECTURES[name], PX, task, classes, SCRATCH)  # type: ignore[arg-type]
    save_classifier(
        model_folder(name), build_classifier(ARCHITECTURES[name], PX, neurons=description.neurons), description
    )
    return load_classifier(model_folder(name))


def novelty_of(name: str, given: Any, classes: tuple[str, ...] = ("good", "defective")) -> Explainer:
    model, description = model_of(name, classes)
    explainers = learn_from(tiles(), prepare_explainers(model, description, given), description, CPU)
    return next(explainer for explainer in explainers if explainer.name == "novelty")


def images_of(split: str, label: str | None = None) -> torch.Tensor:
    index = tiles().index
    wanted = (index["split"] == split) & (True if label is None else index["label"] == label)
    return torch.from_numpy(tiles().images(np.flatnonzero(wanted))).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def features_of(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    with EarlyFeatures(model).heard() as heard:
        model(images)
    return heard()


@torch.no_grad()
def class_maps(model: Classifier, images: torch.Tensor, given: Any, target: Any = None) -> torch.Tensor:
    if hasattr(model, "to_map"):
        return rollout.explain(model, images, settings=settings_grid(given.fusion, (0.0,))).heatmaps
    return cam.explain(model, images, target).heatmaps


def distances(explainer: Explainer, images: torch.Tensor) -> torch.Tensor:
    """By brute force, from the tensors that are saved."""
    learned = explainer.learned.tensors()
    features = features_of(explainer.model, images)
    cells = (features.permute(0, 2, 3, 1) - learned["centre"]) @ learned["axes"]
    nearest = torch.cdist(cells.flatten(0, 2).double(), learned["memory"].double()).amin(dim=1)
    return nearest.view(len(images), 1, *features.shape[2:])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_map_is_the_sum_of_both_standardised_on_good_validation_tiles(name: str, given: Any) -> None:
    explainer = novelty_of(name, given)
    images, good = images_of("val"), images_of("val", "good")
    outputs = explainer.heatmaps(images, None)
    on_grid = lambda maps: enlarged(maps, explainer.model.cell_px / explainer.cell_px, outputs.heatmaps.shape[2:])  # noqa: E731
    maps, of_good = (on_grid(class_maps(explainer.model, some, given)) for some in (images, good))
    far, far_good = distances(explainer, images), distances(explainer, good)
    expected = [
        (maps[:, [place]] - of_good[:, place].mean()) / of_good[:, place].std(correction=0)
        + weight * (far - far_good.mean()) / far_good.std(correction=0)
        for place in range(maps.shape[1])
        for weight in WEIGHTS
    ]
    torch.testing.assert_close(outputs.heatmaps, torch.cat(expected, 1).float(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(outputs.logits, explainer.model(images).logits, rtol=1e-4, atol=1e-4)
    assert len(explainer.settings) == outputs.heatmaps.shape[1]


def test_the_memory_holds_features_of_good_training_tiles_alone(given: Any) -> None:
    explainer = novelty_of("cnn", given)
    learned = explainer.learned.tensors()
    assert learned["memory"].shape == (20, 6)
    of_good = features_of(explainer.model, images_of("train", "good")).flatten(2).mT.flatten(0, 1)
    projected = (of_good - learned["centre"]) @ learned["axes"]
    assert float(torch.cdist(learned["memory"], projected).amin(dim=1).max()) < 1e-3
    torch.testing.assert_close(learned["axes"].mT @ learned["axes"], torch.eye(6), rtol=0, atol=1e-5)


def test_all_axes_keep_every_distance(given: Any) -> None:
    wide = replace(given, novelty=replace(given.novelty, channels=None))
    explainer = novelty_of("cnn", wide)
    axes, features = explainer.learned.tensors()["axes"], features_of(explainer.model, images_of("val"))
    cells = features.flatten(2).mT.flatten(0, 1)
    assert axes.shape[0] == axes.shape[1] == features.shape[1]
    torch.testing.assert_close(torch.cdist(cells @ axes, cells @ axes), torch.cdist(cells, cells), rtol=1e-3, atol=1e-2)


def test_each_image_of_several_classes_is_explained_for_its_own(given: Any) -> None:
    explainer = novelty_of("cnn", given, ("good", "bar", "hole"))
    images = images_of("val")
    maps = [explainer.heatmaps(images, target).heatmaps for target in (1, 2, torch.tensor([1, 2] * 4))]
    assert not torch.allclose(maps[0], maps[1])
    torch.testing.assert_close(maps[2][::2], maps[0][::2])
    torch.testing.assert_close(maps[2][1::2], maps[1][1::2])


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_a_setting_alone_is_the_map_among_others(name: str, given: Any) -> None:
    explainer = novelty_of(name, given)
    images = images_of("val")
    together = explainer.heatmaps(images, None).heatmaps
    for place, (setting, alone) in enumerate(explainer.one_by_one()):
        assert setting == explainer.settings[place]
        torch.testing.assert_close(alone.heatmaps(images, None).heatmaps, together[:, [place]], rtol=1e-4, atol=1e-4)


def test_explain_writes_maps_control_and_memory_and_repeats(given: Any) -> None:
    model_of("cnn")
    params = but(read_params(), explain=given)
    said = explain(params, "cnn")
    assert said.endswith("8 tiles, cam x 1, novelty x 3, cam_randomised x 1, novelty_distance x 1")
    maps = open_maps(maps_folder("cnn"))
    novelty, distance = maps.methods["novelty"], maps.methods["novelty_distance"]
    assert (novelty.fusions, novelty.discards, novelty.varies) == (("novelty",) * 3, WEIGHTS, "weight")
    assert novelty.cell_px == distance.cell_px == 8 and distance.control and not novelty.control
    rows = np.arange(8)
    of_weight = np.moveaxis(novelty.read(rows), 1, 0)
    step = distance.read(rows)[:, 0]
    np.testing.assert_allclose(of_weight[2] - of_weight[0], 3 * step, rtol=0.02, atol=0.02)
    saved = load_file(maps_folder("cnn") / "novelty.safetensors")
    assert set(saved) == {
        "memory",
        "centre",
        "axes",
        "distance.mean",
        "distance.std",
        "class_map.mean",
        "class_map.std",
    }
    before = {file.name: file.read_bytes() for file in maps_folder("cnn").rglob("*") if file.is_file()}
    explain(params, "cnn")
    assert {file.name: file.read_bytes() for file in maps_folder("cnn").rglob("*") if file.is_file()} == before


def test_novelty_can_be_a_family_s_own_and_is_timed_in_every_setting(given: Any) -> None:
    import json

    model_of("cnn")
    own = replace(given, methods=Methods(("novelty",), ("rollout",)))
    params = but(read_params(), explain=own, time={"warmup": 0, "repeats": 2})
    explain(params, "cnn")
    assert list(open_maps(maps_folder("cnn")).methods) == ["novelty", "novelty_randomised", "novelty_distance"]
    time(params, "cnn")
    measured = json.loads(Path("metrics/time/cnn.json").read_text(encoding="utf-8"))["cnn"]
    assert set(measured["settings"]["novelty"]["novelty"]) == {"0", "1", "3"}


@pytest.mark.parametrize("split", ["train", "val"])
def test_without_good_tiles_it_says_to_leave_novelty_out(split: str, given: Any) -> None:
    table = pd.read_parquet(split_file("boards"))
    good = (tiles().index["label"] == "good").to_numpy()
    table.loc[good & (table["split"] == split), "split"] = "unused"
    table.to_parquet(split_file("boards"), index=False)
    with pytest.raises(InputError, match=f"no tile of split {split} is good, and novelty .* leave it out"):
        novelty_of("cnn", given)


def test_aligned_cells_and_other_scales_are_refused(given: Any) -> None:
    cnn = {"cnn": ARCHITECTURES["cnn"]}
    with pytest.raises(InputError, match=r"explain.align is true, but novelty adds maps of several strides"):
        refuse_methods(replace(given, align=True), cnn, PX)
    with pytest.raises(InputError, match=r"explain.scales is \[1.0, 2.0\], but novelty compares"):
        refuse_methods(replace(given, scales=(1.0, 2.0)), cnn, PX)


def test_pretrained_features_of_a_model_from_scratch_are_refused(given: Any) -> None:
    pretrained = replace(given, novelty=replace(given.novelty, features="pretrained"))
    with pytest.raises(InputError, match=r"explain.novelty.features is pretrained, but cnn began with .*; use own"):
        novelty_of("cnn", pretrained)
