"""References: PatchCore as its paper says, a taught network's own cells, and what is left out with its reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stages.explain import explain
from stages.explainers import good_tiles, nearest_good
from stages.explainers.explainer import Explainer, learn_from
from stages.explainers.memory import coreset
from stages.explainers.methods import Explain
from stages.explainers.references import prepare_references
from stages.explainers.settings import NearestGood
from stages.heatmaps.maps import open_maps
from stages.models.features import EarlyFeatures
from stages.models.registry import Architecture
from stages.models.trained import Description, load_classifier, save_classifier
from stages.models.weights import SCRATCH, Classifier, Origin, build_classifier
from stages.records.files import write_json
from stages.records.paths import left_out_file, maps_folder, model_folder, split_file, supervised_folder, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.params import Params, read_params
from tests.models.tiny import CPU, tiny_project
from tests.parameters import but

PX = 32
CNN = Architecture("cnn", "test_efficientnet", 16)
PACKAGE = Origin(True, "package made-up", None)
SMALL = NearestGood(tiles=4, candidates=40, coreset=12, neighbours=4)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A folder with 16 tiles to train on and 8 for validation, a third of them good; no weights are fetched."""
    tiny_project(tmp_path, {"net": {"family": "cnn"}}, {}, tiles=24)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nearest_good, "pretrained_classifier", before_training)
    real = read_params()
    references: Any = ("nearest_good", "supervised")
    given = replace(real.read(Explain), batch=3, references=references, nearest_good=SMALL)
    return but(real, explain=given)


def before_training(description: Description) -> Classifier:
    torch.manual_seed(9)
    return build_classifier(replace(description.architecture, arch="test_efficientnet"), PX).eval()


def tiles() -> Tiles:
    return open_tiles(tiles_folder("boards"), split_file("boards"))


def write_model(origin: Origin = PACKAGE, taught: bool = True) -> tuple[Classifier, Description]:
    torch.manual_seed(1)
    description = Description("net", CNN, PX, "binary", ("good", "defective"), origin)
    save_classifier(model_folder("net"), build_classifier(CNN, PX), description)
    if taught:
        save_classifier(supervised_folder("net"), build_classifier(CNN, PX), description)
    return load_classifier(model_folder("net"))


def prepared(params: Params, origin: Origin = PACKAGE) -> dict[str, Explainer]:
    model, description = write_model(origin)
    given = params.read(Explain)
    references = prepare_references(model, description, given, tiles(), supervised_folder("net"))
    return {one.name: one for one in learn_from(tiles(), references.explainers, description, CPU)}


def images_of(split: str, label: str | None = None) -> torch.Tensor:
    index = tiles().index
    wanted = (index["split"] == split) & (True if label is None else index["label"] == label)
    return torch.from_numpy(tiles().images(np.flatnonzero(wanted))).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def cells_of(images: torch.Tensor) -> np.ndarray:
    """(N, cells, C) float64 as the paper has them: two strides, means of 3 x 3, the coarser one enlarged."""
    network = before_training(Description("net", CNN, PX, "binary", ("good", "defective"), PACKAGE))
    with EarlyFeatures(network).heard() as heard:
        network(images)
    return heard().flatten(2).mT.double().numpy()


def patchcore(images: torch.Tensor, memory: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) and maps (N, cells), one image and one cell after the other, by equations 6 and 7 of the paper."""
    scores, maps = [], []
    for of_image in cells_of(images):
        to_memory = np.linalg.norm(of_image[:, None] - memory[None], axis=2)
        maps.append(to_memory.min(axis=1))
        farthest = int(maps[-1].argmax())
        nearest = int(to_memory[farthest].argmin())
        around = np.argsort(np.linalg.norm(memory - memory[nearest], axis=1), kind="stable")[:neighbours]
        softmax = np.exp(to_memory[farthest, nearest]) / np.exp(to_memory[farthest, around]).sum()
        scores.append((1 - softmax) * to_memory[farthest, nearest])
    return np.array(scores), np.array(maps)


def test_maps_and_scores_are_patchcores(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is found again among the cells of good training tiles, in the features themselves."""
    explainer = prepared(params)["nearest_good"]
    learned: Any = explainer.learned
    good = cells_of(images_of("train", "good")).reshape(-1, learned.memory.shape[1])
    memory = (learned.memory @ learned.axes.mT + learned.centre).double().numpy()  # all axes: a mere rotation
    apart = np.linalg.norm(memory[:, None] - good[None], axis=2)
    assert apart.min(axis=1).max() < 1e-4 and len(set(apart.argmin(axis=1))) == len(memory) == 12
    images = images_of("val")
    found = explainer.heatmaps(images, None)
    scores, maps = patchcore(images, good[apart.argmin(axis=1)], 4)
    assert found.heatmaps is not None and explainer.cell_px == 8 and found.heatmaps.shape == (8, 1, 4, 4)
    np.testing.assert_allclose(found.heatmaps.flatten(1), maps, atol=1e-4)
    np.testing.assert_allclose(found.logits, scores, atol=1e-4)


def test_the_coreset_is_the_greedy_one_of_random_cells(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    def recorded(features: torch.Tensor, count: int, seed: int) -> torch.Tensor:
        seen.append(features)
        return coreset(features, count, seed)

    monkeypatch.setattr(good_tiles, "coreset", recorded)
    prepared(params)
    (candidates,) = seen
    assert len(candidates) == 40 and candidates.shape[1] > 12  # ten cells of each of four tiles, every axis


def test_a_taught_networks_map_is_its_estimate_of_each_cell_and_the_highest_its_score(params: Params) -> None:
    explainer = prepared(params)["supervised"]
    images = images_of("val")
    found = explainer.heatmaps(images, None)
    model = explainer.model
    with torch.no_grad():
        cells = model(images, explain=True).heatmaps + model.head.bias
    assert found.heatmaps is not None
    torch.testing.assert_close(found.heatmaps, cells.sigmoid())
    torch.testing.assert_close(found.logits, cells.flatten(1).amax(dim=1))
    assert explainer.cell_px == 16 and explainer.record["reference"] is True


def test_explain_keeps_references_beside_the_models_own_and_changes_none_of_these(params: Params) -> None:
    write_model()
    plain = but(params, explain=replace(params.read(Explain), references=()))
    explain(plain, "net")
    before = {file.name: file.read_bytes() for file in maps_folder("net").rglob("*") if file.is_file()}
    said = explain(params, "net")
    assert said.endswith("nearest_good x 1, supervised x 1; nearest_good of 12 good cells")
    after = {file.name: file.read_bytes() for file in maps_folder("net").rglob("*") if file.is_file()}
    new = {f"{name}{end}" for name in ("nearest_good", "supervised") for end in (".npy", "_range.npy", "_score.npy")}
    assert after.keys() - before.keys() == new | {"nearest_good.safetensors"}
    assert all(after[name] == before[name] for name in before if name != "settings.json")
    maps = open_maps(maps_folder("net"))
    assert {name for name, own in maps.methods.items() if own.tile_scores} == {"nearest_good", "supervised"}
    assert not maps.left_out
    explainer = prepared(params)["nearest_good"]
    scores = maps.methods["nearest_good"].tile_scores
    assert scores is not None
    np.testing.assert_allclose(scores.read(np.arange(8)), explainer.heatmaps(images_of("val"), None).logits, atol=1e-4)
    memory = load_file(maps_folder("net") / "nearest_good.safetensors")["memory"]
    assert len(memory) == 12
    (maps_folder("net") / "index.parquet").unlink()
    explain(params, "net")
    assert {file.name: file.read_bytes() for file in maps_folder("net").rglob("*") if file.is_file()} == after


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("coreset", "explain.nearest_good.coreset is 0"),
        ("good", "no train tile is good"),
        ("weights", "net began with weights from none (random), which cannot be fetched again"),
    ],
)
def test_what_cannot_be_made_is_left_out_and_says_why(params: Params, case: str, reason: str) -> None:
    given = params.read(Explain)
    if case == "coreset":
        params = but(params, explain=replace(given, nearest_good=replace(SMALL, coreset=0)))
    write_model(SCRATCH if case == "weights" else PACKAGE, taught=False)
    write_json(left_out_file(supervised_folder("net")), {"reason": "the data set has no annotated area"})
    if case == "good":
        import pandas as pd

        index = pd.read_parquet(tiles_folder("boards") / "index.parquet").assign(label="defective")
        index.to_parquet(tiles_folder("boards") / "index.parquet", index=False)
    said = explain(params, "net")
    assert said.endswith(f"; without nearest_good: {reason}; without supervised: the data set has no annotated area")
    maps = open_maps(maps_folder("net"))
    assert maps.left_out == {"nearest_good": reason, "supervised": "the data set has no annotated area"}
    assert list(maps.methods) == ["cam", "cam_randomised"]


def test_averaged_maps_are_averaged_for_references_too(params: Params) -> None:
    flips = replace(params.read(Explain), flips="all")
    explainers = prepared(but(params, explain=flips))
    images = images_of("val")
    for name in ("nearest_good", "supervised"):
        maps, turned = (explainers[name].heatmaps(some, None).heatmaps for some in (images, images.flip(3)))
        assert maps is not None and turned is not None
        torch.testing.assert_close(turned.flip(3), maps, atol=1e-4, rtol=1e-4)
