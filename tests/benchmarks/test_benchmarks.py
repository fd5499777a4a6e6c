"""The benchmark runs on tiny models and writes what it says; what it calls published is what was published."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.vit import RolloutClassifier
from tests.benchmarks.__main__ import bench
from tests.benchmarks.memory import in_fresh_process
from tests.benchmarks.published import published_rollout


@pytest.mark.parametrize(
    ("architecture", "methods"),
    [
        (
            Architecture("cnn", "test_efficientnet", 16),
            {"cam", "gradcam", "occlusion", "novelty", "rise", "training_step"},
        ),
        (
            Architecture("vit", "test_vit", None),
            {
                "cam_vit",
                "rollout",
                "rollout_discard",
                "rollout_sweep",
                "gradcam_vit",
                "novelty_vit",
                "attn_lrp",
                "rise_vit",
            },
        ),
    ],
)
def test_every_method_has_ratios_beside_its_peers(architecture, methods, monkeypatch) -> None:
    monkeypatch.setattr("tests.benchmarks.__main__.in_fresh_process", lambda *_: 1.0)
    table = bench({"tiny": architecture}, 64, (1, 2), 2, "cpu")
    assert methods <= set(table)
    for rows in table.values():
        for batch in ("1", "2"):
            assert rows[batch]["ratio"] > 0 and all(ratio > 0 for ratio in rows[batch]["peers"].values())


def test_memory_is_of_one_call() -> None:
    small, large = (
        in_fresh_process(Architecture("vit", "test_vit", None), 96, batch, "cpu", "gradcam_vit") for batch in (1, 256)
    )
    assert small is None or large > small + 256 * 3 * 96 * 96 * 4 / 2**20  # more than a copy of the images


@torch.inference_mode()
def test_published_rollout_is_ours_up_to_its_scale_where_rows_are_normalised_alike() -> None:
    torch.manual_seed(0)
    model, images = RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3).eval(), torch.rand(2, 3, 64, 64)
    theirs = published_rollout(model, images, "mean", 0.0)
    ours = model(images, settings_grid(("mean",), (0.0,)), "published").heatmaps.flatten(1)
    torch.testing.assert_close(theirs, ours / ours.amax(1, keepdim=True), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_command_writes_its_table(tmp_path) -> None:
    (tmp_path / "metrics").mkdir()
    options = ("--px", "64", "--batches", "1", "--repeats", "1", "--models", "efficientnet_lite0_d", "--device", "cpu")
    command = (sys.executable, "-m", "tests.benchmarks", *options)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    table = json.loads((tmp_path / "metrics/bench.json").read_text())
    assert table["cam"]["1"]["ratio"] > 0 and table["cam"]["1"]["peak_mib"] != 0
