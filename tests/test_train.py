"""Stages train, explain and time one after the other on sixteen tiny tiles: what they leave on disk."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages.explain import explain
from stages.explainers.methods import METHODS, Explain
from stages.explainers.settings import Methods, Time
from stages.heatmaps.maps import open_maps
from stages.models.batches import to_images
from stages.models.settings import Model
from stages.models.trained import load_classifier
from stages.records.paths import maps_folder, model_folder, split_file, tiles_folder
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.time import time
from stages.train import train
from tests.models.tiny import tiny_project
from tests.parameters import but

PX, TILES = 32, 16
MODELS = {
    "cnn": Model(family="cnn", arch="test_efficientnet", stride=16),
    "vit": Model(family="vit", arch="test_vit"),
    "hybrid": Model(family="vit", arch="test_vit", stride=8, stem="test_efficientnet", depth=2),
}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    real = read_params()
    monkeypatch.chdir(tmp_path)
    recipe = {"epochs": 2, "batch": 4, "weights": "none", "good_per_defective": None}
    small = but(
        real,
        model=recipe,
        models=MODELS,
        explain=replace(real.read(Explain), batch=3),
        time=replace(real.read(Time), repeats=2),
    )
    folder = tiles_folder(small.dataset_name)
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (TILES, PX, PX, 3), dtype=np.uint8)
    np.save(folder / "images-0000.npy", pixels)
    ids = [f"board.jpg@{x},0" for x in range(TILES)]
    index = pd.DataFrame({"tile_id": ids, "source": "board.jpg", "group": "board", "annotation": "label"})
    index["label"] = ["defective", "good"] * (TILES // 2)
    index["official"] = index["pixels_sha"] = ""
    index["defect_class"] = ["short", "good"] * (TILES // 2)
    for column in ("x", "y", "width", "height", "defect_px", "exact_px", "shard"):
        index[column] = np.zeros(TILES, np.int32)
    index["row"] = np.arange(TILES, dtype=np.int32)
    index.to_parquet(folder / "index.parquet", index=False)
    split_file(small.dataset_name).parent.mkdir(parents=True)
    splits = ["train"] * 8 + ["val"] * 4 + ["test"] * 3 + ["unused"]
    pd.DataFrame({"tile_id": ids, "split": splits}).to_parquet(split_file(small.dataset_name), index=False)
    return small


@pytest.mark.parametrize(("name", "settings", "cells"), [("cnn", 1, 2), ("vit", 12, 2), ("hybrid", 12, 4)])
def test_train_then_explain_then_time(params: Params, name: str, settings: int, cells: int) -> None:
    assert train(params, name).startswith(f"train {name}: best epoch ")
    metrics = json.loads(Path(f"metrics/train/{name}.json").read_text())[name]
    assert metrics["pretrained"] is False and metrics["best_epoch"] in (1, 2)
    curves = pd.read_csv(f"plots/curves/{name}.csv")
    assert set(curves["curve"]) == {"lr", "train_loss", "val_loss", "val_average_precision", "val_accuracy"}
    assert curves.groupby("curve").size().eq(2).all()

    explain(params, name)
    maps = open_maps(maps_folder(name))
    assert list(maps.index["split"]) == ["val"] * 4 + ["test"] * 3  # neither train nor unused tiles
    heatmaps = maps.primary.read(np.arange(7))
    assert heatmaps.shape == (7, settings, cells, cells)
    model, _ = load_classifier(model_folder(name))
    pixels = np.load(tiles_folder(params.dataset_name) / "images-0000.npy")[8:15]
    with torch.inference_mode():
        logits = model(to_images(pixels, torch.device("cpu"))).logits
    np.testing.assert_allclose(maps.index["logit"], logits, rtol=1e-3, atol=1e-4)

    time(params, name)
    latency = json.loads(Path(f"metrics/time/{name}.json").read_text())[name]
    assert latency["forward"]["mean_ms"] > 0 and latency["measured_on"]["device"] == "cpu"
    assert latency["forward"]["ratio"] == 1 and ("rollout_sweep_30" in latency) == (name != "cnn")
    timed = {
        (method, fusion, discard): times["median_ms"]
        for method, fusions in latency["settings"].items()
        for fusion, discards in fusions.items()
        for discard, times in discards.items()
    }
    explained = {
        (method, fusion, f"{discard:g}")
        for method, own in maps.methods.items()
        if not method.endswith("_randomised")
        for fusion, discard in zip(own.fusions, own.discards, strict=True)
    }
    assert set(timed) == explained  # a time for every setting that rank can choose
    assert min(timed.values()) > 0


def test_every_method_is_timed_and_the_slow_ones_less_often(params: Params) -> None:
    of_a_vit = tuple(name for name, method in METHODS.items() if "vit" in method.families and name != "cam")
    methods = Methods(("cam", "gradcam", "occlusion", "rise"), of_a_vit)  # it reads its class token, which has no cam
    real = params.read(Explain)
    few = replace(real.rise, masks=2)
    params = but(
        params,
        explain=replace(real, methods=methods, fusion=("max",), discard=(0.5,), rise=few),
        time=replace(params.read(Time), warmup=0, repeats=6),
    )
    for name, expected in (("cnn", methods.cnn), ("vit", methods.vit)):
        train(params, name)
        time(params, name)
        settings = json.loads(Path(f"metrics/time/{name}.json").read_text())[name]["settings"]
        assert set(settings) == set(expected)
        times = {method: next(iter(own.values())) for method, own in settings.items()}
        repeats = {method: of["0.5" if method == "rollout" else "0"]["repeats"] for method, of in times.items()}
        assert repeats.pop("occlusion") == repeats.pop("rise") == 5 and set(repeats.values()) == {6}


def test_a_small_learning_rate_is_never_zero(params: Params) -> None:
    train(but(params, model=params.get("model") | {"lr": 3e-6}), "cnn")
    curves = pd.read_csv("plots/curves/cnn.csv").set_index("curve")["value"]
    assert curves["lr"].tolist() == [3e-6, 3e-6]
    assert json.loads(Path("metrics/train/cnn.json").read_text())["cnn"]["lr"] == 3e-6


def test_cam_on_disk_and_logit_belong_together(params: Params) -> None:
    train(params, "cnn")
    explain(params, "cnn")
    maps = open_maps(maps_folder("cnn"))
    model, _ = load_classifier(model_folder("cnn"))
    mean = maps.primary.read(np.arange(7))[:, 0].astype(np.float64).mean((1, 2))
    np.testing.assert_allclose(mean + model.head.bias.item(), maps.index["logit"], atol=2e-3)  # maps are float16


def test_the_same_run_gives_the_same_bytes(params: Params) -> None:
    written = []
    for _ in range(2):
        train(params, "cnn")
        explain(params, "cnn")
        files = sorted(
            path for top in ("data/models", "data/maps", "metrics", "plots") for path in Path(top).rglob("*.*")
        )
        written.append({path: path.read_bytes() for path in files if path.is_file()})
    assert written[0] == written[1] and len(written[0]) == 12


def test_what_is_missing_is_named(params: Params) -> None:
    with pytest.raises(InputError, match=r"data/models/cnn/model.json: missing"):
        explain(params, "cnn")
    with pytest.raises(InputError, match=r"models.cnn.stride|stride 64 is not in"):
        train(but(params, models={"cnn": replace(MODELS["cnn"], stride=64)}), "cnn")
    split_file(params.dataset_name).unlink()
    with pytest.raises(InputError, match=r"data/splits/boards.parquet"):
        train(params, "cnn")
    assert not Path("data/models").exists()


@pytest.mark.skipif(not hasattr(Tiles, "class_codes"), reason="tiles have no classes yet")
def test_several_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = {"epochs": 2, "loss_weight": "balanced"}
    tiny_project(tmp_path, {"cnn": {"family": "cnn", "arch": "test_efficientnet"}}, recipe, task="multiclass")
    monkeypatch.chdir(tmp_path)
    train(read_params(), "cnn")
    model, description = load_classifier(model_folder("cnn"))
    assert description.classes == ("good", "bar", "hole") and model.head.weight.shape[0] == 3
    assert description.threshold is None and description.temperature and description.temperature > 0
    metrics = json.loads(Path("metrics/train/cnn.json").read_text())["cnn"]
    assert set(metrics["val_recall"]) == {"good", "bar", "hole"} and 0 <= metrics["val_accuracy"] <= 1
    confusion = pd.read_csv("plots/confusion/cnn.csv")
    assert list(confusion.columns) == ["actual", "predicted", "tiles"] and confusion["tiles"].sum() == 8
