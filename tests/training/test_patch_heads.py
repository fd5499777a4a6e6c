"""Training a ViT that reads its patch tokens: it learns, warms up, freezes, goes on, in bfloat16, searched."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.params import read_params
from stages.train import train
from stages.training import loop as training_module
from stages.training.engine import start_engine
from stages.training.initial import seed_everything
from stages.training.loop import Fitted, fit
from stages.training.settings import Training
from stages.training.state import State
from stages.tune import tune
from tests.models.tiny import CPU, HALF, NOT_KEPT, RECIPE, striped_tiles, tiny_project

RECIPE_OF_A_VIT = replace(RECIPE, lr=1e-3)
PATCHES = Head(reads="patch_tokens", pool="top_k", share=0.5, negatives="dense")
MODEL = {"family": "vit", "arch": "test_vit", "head": {"reads": "patch_tokens", "pool": "ranked", "negatives": "dense"}}


def vit(head: Head = PATCHES, neurons: int = 1) -> RolloutClassifier:
    seed_everything(0, CPU)
    return RolloutClassifier("test_vit", 32, HALF, HALF, neurons=neurons, head=head)


def fitted(recipe: Training, head: Head = PATCHES, classes: int = 2) -> tuple[RolloutClassifier, Fitted]:
    model = vit(head, 1 if classes == 2 else classes)
    train_tiles, val = striped_tiles(48, 1, classes), striped_tiles(16, 2, classes)
    return model, fit(model, "vit", train_tiles, val, recipe, start_engine(CPU, recipe.precision), "tiny", NOT_KEPT)


@pytest.mark.parametrize("head", [Head(reads="patch_tokens"), PATCHES, replace(PATCHES, pool="log_sum_exp")])
def test_it_learns_one_class_or_several_with_any_pool(head: Head) -> None:
    _, binary = fitted(replace(RECIPE_OF_A_VIT, epochs=8), head)
    assert binary.history[-1].train_loss < binary.history[0].train_loss
    assert binary.best.val_accuracy > 0.7
    _, several = fitted(replace(RECIPE_OF_A_VIT, epochs=2, loss_weight="balanced"), head, 3)
    assert several.val_logits.shape == (16, 3) and np.isfinite(several.val_logits).all()


def test_dense_negatives_reach_every_cell() -> None:
    """A maximum alone trains one cell of a tile; cells of good tiles are to be called good everywhere."""
    plain, dense = (
        fitted(RECIPE_OF_A_VIT, Head(reads="patch_tokens", pool="max", negatives=negatives))[0].eval()
        for negatives in ("none", "dense")
    )
    tiles = striped_tiles(16, 3)
    images = torch.from_numpy(tiles.tiles.images(np.flatnonzero(tiles.codes == 0))).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        cells = [model(images, explain=True).heatmaps + model.head.bias for model in (plain, dense)]
    assert cells[1].mean() < cells[0].mean()


def test_only_the_head_warms_up_and_frozen_blocks_stay() -> None:
    before = {key: value.clone() for key, value in vit().state_dict().items()}
    model, _ = fitted(replace(RECIPE_OF_A_VIT, epochs=1, warmup_epochs=1))
    after = model.state_dict()
    assert {key for key in before if not torch.equal(before[key], after[key])} == {"head.weight", "head.bias"}
    model, _ = fitted(replace(RECIPE_OF_A_VIT, epochs=1, frozen_stages=2))
    changed = {key for key, value in model.state_dict().items() if not torch.equal(before[key], value)}
    assert "backbone.norm.weight" in changed and "head.weight" in changed
    assert not any(key.startswith(("backbone.blocks.0.", "backbone.blocks.1.", "backbone.patch")) for key in changed)


def test_bfloat16_trains_the_same_model_nearly() -> None:
    (exact, _), (half, again) = (fitted(replace(RECIPE_OF_A_VIT, epochs=1, precision=kind)) for kind in (32, "bf16"))  # type: ignore[arg-type]
    assert half.head.weight.dtype == torch.float32 and np.isfinite(again.val_logits).all()
    torch.testing.assert_close(half.head.weight, exact.head.weight, rtol=0.1, atol=0.02)
    assert not torch.equal(half.head.weight, exact.head.weight)


def test_a_stopped_training_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for name, stops in (("whole", False), ("stopped", True)):
        tiny_project(tmp_path / name, {"net": MODEL}, {"epochs": 3, "ema_decay": 0.9, "lr": 1e-3})
        monkeypatch.chdir(tmp_path / name)
        if stops:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(training_module, "train_epoch", _stopping_at(3))
                with pytest.raises(KeyboardInterrupt):
                    train(read_params(), "net")
        train(read_params(), "net")
        files = Path("data/models/net/model.safetensors"), Path("data/models/net/model.json")
        contents.append({file.name: file.read_bytes() for file in files})
    assert contents[0] == contents[1]
    assert json.loads(contents[0]["model.json"])["architecture"]["head"]["reads"] == "patch_tokens"


def _stopping_at(epoch: int) -> Any:
    real = training_module.train_epoch

    def run(state: State, *arguments: Any) -> float:
        if len(state.history) + 1 == epoch:
            raise KeyboardInterrupt
        return real(state, *arguments)

    return run


def test_it_is_searched_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = {"trials": 2, "random_trials": 1, "batch": [4, 8]}
    tiny_project(tmp_path, {"net": MODEL}, {"epochs": 1}, tune=search)
    monkeypatch.chdir(tmp_path)
    tune(read_params(), "net")
    assert json.loads(Path("metrics/tune/net.json").read_text())["net"]["trials"] == 2
