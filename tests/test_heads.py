"""Finer maps, other pools and dense negatives through training, every method, scores and times."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.explain import explain
from stages.heatmaps.maps import open_maps
from stages.models.trained import load_classifier
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.time import time
from stages.train import train
from tests.models.tiny import tiny_project
from tests.parameters import but

METHODS = {"cnn": ["cam", "gradcam", "occlusion"], "vit": ["rollout"]}


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
    explained = params.get("explain") | {"methods": METHODS, "batch": 4}
    params = but(params, task=task, explain=explained, time={"warmup": 0, "repeats": 2})
    train(params, "net")
    model, description = load_classifier(Path("data/models/net"))
    assert description.architecture.head.pool == head["pool"] and model.cell_px == cell_px
    explain(params, "net")
    time(params, "net")
    maps = open_maps(Path("data/maps/net"))
    side = description.px // cell_px
    assert maps.methods["cam"].values.shape[2:] == (side, side) and maps.methods["cam"].cell_px == cell_px
    assert set(maps.methods) == {"cam", "gradcam", "occlusion", "cam_randomised"}
    assert np.isfinite(maps.methods["gradcam"].read(np.arange(2))).all()
    assert json.loads(Path("metrics/time/net.json").read_text())["net"]["settings"].keys() == set(METHODS["cnn"])


@pytest.mark.parametrize(
    ("head", "model", "message"),
    [
        ({"map_stride": 5}, {}, "head.map_stride is 5; .* has feature stages of 2, 4, 8, 16$"),
        ({"pool": "median"}, {}, "models.net.head.pool is 'median'; use one of mean, max, top_k, log_sum_exp, ranked"),
        ({"share": 0}, {}, "models.net.head.share is 0; expected more than 0"),
        ({"pool": "max"}, {"family": "vit", "arch": "test_vit", "stride": None}, "net.head: a ViT reads its class"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any], model: dict[str, Any], message: str
) -> None:
    project(tmp_path, head, **model)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        train(read_params(), "net")
