"""The benchmark runs on tiny models and writes what it says; what it calls published is what was published."""

import pytest
import torch

from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.vit import RolloutClassifier
from tests.benchmarks.__main__ import _in_fresh_process, bench
from tests.benchmarks.published import published_rollout


@pytest.mark.parametrize(
    ("architecture", "methods"),
    [
        (Architecture("cnn", "test_efficientnet", 16), {"cam", "gradcam", "occlusion", "training_step"}),
        (Architecture("vit", "test_vit", None), {"rollout", "rollout_discard", "rollout_sweep", "gradcam_vit"}),
    ],
)
def test_every_method_has_ratios_beside_its_peers(architecture, methods, monkeypatch) -> None:
    monkeypatch.setattr("tests.benchmarks.__main__._in_fresh_process", lambda *_: 1.0)
    table = bench({"tiny": architecture}, 64, (1, 2), 2, "cpu")
    assert methods <= set(table)
    for rows in table.values():
        for batch in ("1", "2"):
            assert rows[batch]["ratio"] > 0 and all(ratio > 0 for ratio in rows[batch]["peers"].values())


def test_memory_is_of_one_call() -> None:
    small, large = (
        _in_fresh_process(Architecture("vit", "test_vit", None), 96, batch, "cpu", "gradcam_vit") for batch in (1, 256)
    )
    assert small is None or large > small + 256 * 3 * 96 * 96 * 4 / 2**20  # more than a copy of the images


@torch.inference_mode()
def test_published_rollout_is_ours_up_to_its_scale_where_rows_are_normalised_alike() -> None:
    torch.manual_seed(0)
    model, images = RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3).eval(), torch.rand(2, 3, 64, 64)
    theirs = published_rollout(model, images, "mean", 0.0)
    ours = model(images, settings_grid(("mean",), (0.0,)), "published").heatmaps.flatten(1)
    torch.testing.assert_close(theirs, ours / ours.amax(1, keepdim=True), rtol=1e-4, atol=1e-6)
