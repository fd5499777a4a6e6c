"""Finer maps, other pools and dense negatives through training, every method, scores and times."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.check import refuse_wrong
from stages.explain import explain
from stages.heatmaps.maps import open_maps
from stages.models.pools import POOLS
from stages.models.settings import Head
from stages.models.trained import load_classifier
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.time import time
from stages.train import train
from stages.training.settings import read_model
from tests.models.tiny import tiny_project
from tests.parameters import but

METHODS = {"cnn": ["cam", "gradcam", "occlusion", "rise"], "vit": ["rollout"]}
OF_A_VIT = [
    "cam",
    "rollout",
    "gradcam",
    "gradient_rollout",
    "attention_gradient",
    "lrp",
    "attn_lrp",
    "occlusion",
    "rise",
]
FEW = {"masks": 8, "cells": 2, "probability": 0.5, "batch": 8}
VIT = {"family": "vit", "arch": "test_vit", "stride": None}
HYBRID = {"family": "vit", "arch": "test_vit", "stem": "test_efficientnet", "stride": 8, "depth": 1}


def project(folder: Path, head: dict[str, Any], **model: Any) -> None:
    entry = {"family": "cnn", "arch": "test_efficientnet", "stride": 16, "head": head} | model
    tiny_project(folder, {"net": entry}, {"epochs": 1})


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    ("head", "cell_px"),
    [
        ({"map_stride": 8, "pool": "top_k", "negatives": "dense"}, 8),
        ({"map_stride": 4, "pool": "ranked", "share": 0.2, "negatives": "dense", "width": 16}, 4),
        ({"pool": "log_sum_exp"}, 16),
    ],
)
def test_a_head_is_trained_saved_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, head: dict[str, Any], cell_px: int
) -> None:
    project(tmp_path, head)
    monkeypatch.chdir(tmp_path)
    params = read_params()
    explained = params.get("explain") | {"methods": METHODS, "batch": 4, "rise": FEW}
    params = but(params, task=task, explain=explained, time={"warmup": 0, "repeats": 2})
    train(params, "net")
    model, description = load_classifier(Path("data/models/net"))
    assert description.architecture.head.pool == head["pool"] and model.cell_px == cell_px
    explain(params, "net")
    time(params, "net")
    maps = open_maps(Path("data/maps/net"))
    side = description.px // cell_px
    assert maps.methods["cam"].values.shape[2:] == (side, side) and maps.methods["cam"].cell_px == cell_px
    assert set(maps.methods) == {"cam", "gradcam", "occlusion", "rise", "cam_randomised"}
    assert np.isfinite(maps.methods["gradcam"].read(np.arange(2))).all()
    assert json.loads(Path("metrics/time/net.json").read_text())["net"]["settings"].keys() == set(METHODS["cnn"])


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("first", [["cam", "rollout"], ["rollout", "cam"]])
@pytest.mark.parametrize(
    ("model", "head", "cell_px"),
    [
        (VIT, {"pool": "top_k", "share": 0.3, "negatives": "dense"}, 16),
        (HYBRID, {"pool": "ranked", "negatives": "dense", "map_stride": 8}, 8),
    ],
    ids=["plain", "hybrid"],
)
def test_a_vit_on_patch_tokens_is_trained_saved_and_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    first: list[str],
    model: dict[str, Any],
    head: dict[str, Any],
    cell_px: int,
) -> None:
    project(tmp_path, {"reads": "patch_tokens"} | head, **model)
    monkeypatch.chdir(tmp_path)
    params = read_params()
    methods = first + OF_A_VIT[2:]
    explained = params.get("explain") | {"methods": METHODS | {"vit": methods}, "batch": 4, "rise": FEW}
    params = but(params, task=task, explain=explained, time={"warmup": 0, "repeats": 2})
    refuse_wrong(params)
    train(params, "net")
    trained, description = load_classifier(Path("data/models/net"))
    assert description.architecture.head.reads == "patch_tokens" and trained.cell_px == cell_px
    explain(params, "net")
    time(params, "net")
    maps, side = open_maps(Path("data/maps/net")), description.px // cell_px
    assert list(maps.methods) == [*methods, f"{first[0]}_randomised"]
    for name in methods:
        values = maps.methods[name].read(np.arange(len(maps.index)))
        if name not in ("occlusion", "rise"):  # whose cells are those of windows and masks
            assert values.shape[2:] == (side, side) and maps.methods[name].cell_px == cell_px
        assert np.isfinite(values).all() and (name == "gradcam" or values.std() > 0)  # which may be negative throughout
    several = Path("data/maps/net/logits.npy")
    logits = np.load(several) if several.exists() else maps.index[["logit"]].to_numpy()
    cam = torch.from_numpy(maps.methods["cam"].read(np.arange(len(maps.index)))).float()
    kind = np.zeros(len(cam), int) if task == "binary" else 1 + logits[:, 1:].argmax(axis=1)
    pooled = POOLS[head["pool"]](cam, trained.settings)[:, 0].numpy() + trained.head.bias.detach().numpy()[kind]
    np.testing.assert_allclose(pooled, logits[np.arange(len(cam)), kind], atol=5e-3)  # maps are float16
    assert json.loads(Path("metrics/time/net.json").read_text())["net"]["settings"].keys() == set(methods)


@pytest.mark.parametrize(
    ("section", "here", "family", "expected"),
    [
        ({"pool": "max"}, {}, "vit", Head()),  # of a class token nothing is to be set
        ({"reads": "patch_tokens", "pool": "max"}, {}, "vit", Head(reads="patch_tokens", pool="max")),
        ({"pool": "max"}, {"reads": "patch_tokens"}, "vit", Head(reads="patch_tokens", pool="max")),
        ({"reads": "patch_tokens", "map_stride": 8}, {"map_stride": None}, "vit", Head(reads="patch_tokens")),
        ({"reads": "patch_tokens", "pool": "max"}, {"reads": "class_token"}, "vit", Head()),
        ({"reads": "patch_tokens", "pool": "max"}, {}, "cnn", Head(pool="max")),
    ],
)
def test_what_each_family_takes_from_the_section(
    section: dict[str, Any], here: dict[str, Any], family: str, expected: Head
) -> None:
    params = read_params()
    changed = but(params, head=params.get("head") | section, models={"net": {"family": family, "head": here}})
    assert read_model(changed, "net").head == expected


@pytest.mark.parametrize("head", [{}, {"reads": "patch_tokens"}])
def test_cam_of_a_vit_on_its_class_token_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    project(tmp_path, head, **VIT)
    monkeypatch.chdir(tmp_path)
    params = read_params()
    params = but(params, explain=params.get("explain") | {"methods": METHODS | {"vit": ["cam"]}})
    if head:
        return refuse_wrong(params)
    said = "explain.methods.vit has nothing that fits net: not 'cam', because it reads its class token, which has no "
    rest = r"class map \(head.reads: patch_tokens has\); add rollout, gradcam, "
    with pytest.raises(InputError, match=re.escape(said) + rest):
        refuse_wrong(params)
    train(params, "net")
    with pytest.raises(InputError, match=re.escape(said)):
        explain(params, "net")
    return None


@pytest.mark.parametrize(
    ("head", "methods", "without"),
    [
        ({"reads": "patch_tokens"}, ["cam", "rollout"], ""),
        ({}, ["rollout"], "; without cam: it reads its class token, "),
    ],
)
def test_each_vit_of_a_run_has_the_first_method_that_fits_it_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any], methods: list[str], without: str
) -> None:
    project(tmp_path, head, **VIT)
    monkeypatch.chdir(tmp_path)
    params = read_params()
    params = but(params, explain=params.get("explain") | {"methods": METHODS | {"vit": ["cam", "rollout"]}})
    refuse_wrong(params)
    train(params, "net")
    line = explain(params, "net")
    assert without in line and ("without" in line) == bool(without) and "\n" not in line
    assert list(open_maps(Path("data/maps/net")).methods) == [*methods, f"{methods[0]}_randomised"]


@pytest.mark.parametrize(
    ("head", "model", "message"),
    [
        ({"map_stride": 5}, {}, "head.map_stride is 5; .* has feature stages of 2, 4, 8, 16$"),
        ({"pool": "median"}, {}, "models.net.head.pool is 'median'; use one of mean, max, top_k, log_sum_exp, ranked"),
        ({"share": 0}, {}, "models.net.head.share is 0; expected more than 0"),
        ({"pool": "max"}, VIT, "net.head: a ViT reads its class token and has no map to pool; add reads: patch_tokens"),
        ({"reads": "cells"}, VIT, "models.net.head.reads is 'cells'; use one of class_token, patch_tokens"),
        ({"reads": "patch_tokens"}, {}, "models.net.head.reads is patch_tokens; a CNN has no tokens; leave it out"),
        ({"reads": "patch_tokens", "map_stride": 8}, VIT, "head.map_stride is 8; .* one cell per patch, here 16 px"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any], model: dict[str, Any], message: str
) -> None:
    project(tmp_path, head, **model)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        train(read_params(), "net")
