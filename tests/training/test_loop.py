"""Training on tiles that a tiny network can tell apart: it learns, repeats bit for bit, freezes what it should."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.classification.image_scores import validation_scores
from stages.models.batches import Labelled
from stages.models.cnn import CamClassifier
from stages.models.weights import Classifier
from stages.runtime.errors import InputError
from stages.training import loop
from stages.training.engine import start_engine
from stages.training.epoch import predict
from stages.training.initial import seed_everything
from stages.training.loop import fit
from tests.models.tiny import CPU, HALF, NOT_KEPT, RECIPE, striped_tiles, tiny_model, trained


def logits_of(model: Classifier, tiles: Labelled) -> np.ndarray:
    return predict(model, tiles.tiles, 8, start_engine(CPU))


def accuracy(model: Classifier, tiles: Labelled) -> float:
    return validation_scores(logits_of(model, tiles), tiles.codes, tiles.classes)["accuracy"]


@pytest.mark.parametrize("family", ["cnn", "vit"])
def test_same_seed_gives_the_same_bits_and_another_does_not(family: str) -> None:
    recipe = RECIPE if family == "cnn" else replace(RECIPE, lr=1e-3)
    (first, fitted), (second, again), (other, _) = (
        trained(family, recipe), trained(family, recipe), trained(family, replace(recipe, seed=1)),
    )  # fmt: skip
    assert fitted.history == again.history
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[key]), key
    assert not torch.equal(first.head.weight, other.head.weight)


def test_it_learns() -> None:
    model, fitted = trained(recipe=replace(RECIPE, epochs=6))
    assert fitted.history[-1].train_loss < fitted.history[0].train_loss / 2
    assert accuracy(model, striped_tiles(32, 3)) > 0.9
    assert np.array_equal(fitted.val_logits, logits_of(model, striped_tiles(16, 2)))


@pytest.mark.parametrize("weight", ["none", "balanced"])
def test_it_learns_three_classes(weight: str) -> None:
    recipe = replace(RECIPE, epochs=6, loss_weight=weight, good_per_defective=0.75)  # type: ignore[arg-type]
    model, fitted = trained(recipe=recipe, classes=3)
    tiles = striped_tiles(30, 3, classes=3)
    assert logits_of(model, tiles).shape == (30, 3) and fitted.val_logits.shape == (16, 3)
    assert accuracy(model, tiles) > 0.9


def test_frozen_stages_and_warm_up_keep_the_backbone_bit_for_bit() -> None:
    seed_everything(0, CPU)
    before = {k: v.clone() for k, v in tiny_model().state_dict().items()}
    model, _ = trained(recipe=replace(RECIPE, epochs=1, frozen_stages=2))
    after = model.state_dict()
    stem = [
        k
        for k in before
        if k.startswith(("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0", "backbone.blocks.1"))
    ]
    assert stem and all(torch.equal(before[k], after[k]) for k in stem)  # running statistics included
    assert not torch.equal(before["backbone.blocks.2.0.conv_exp.weight"], after["backbone.blocks.2.0.conv_exp.weight"])
    model, _ = trained(recipe=replace(RECIPE, epochs=1, warmup_epochs=1))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items() if k.startswith("backbone"))
    model, _ = trained(recipe=replace(RECIPE, epochs=2, warmup_epochs=1))  # the second epoch is the fine-tuning
    assert not torch.equal(before["backbone.conv_stem.weight"], model.backbone.conv_stem.weight)


def fit_with(precisions: list[float], **changes: object) -> tuple[list[torch.Tensor], CamClassifier, int, int]:
    """Train with made-up average precisions; return the head after each epoch, the model, best epoch and epochs."""
    seed_everything(0, CPU)
    model = CamClassifier("test_efficientnet", 16, HALF, HALF)
    scores = iter(precisions)
    heads: list[torch.Tensor] = []

    def score(*_: object) -> dict[str, float]:
        heads.append(model.head.weight.detach().clone())
        return {"average_precision": next(scores), "accuracy": 0.5}

    recipe = replace(RECIPE, epochs=len(precisions), **changes)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "validation_scores", score)
        train, val = striped_tiles(16, 1), striped_tiles(8, 2)
        fitted = fit(model, "cnn", train, val, recipe, start_engine(CPU), "tiny", NOT_KEPT)
    return heads, model, fitted.best.epoch, len(fitted.history)


def test_the_best_epoch_is_kept() -> None:
    heads, model, best, epochs = fit_with([0.2, 0.9, 0.5])
    assert (best, epochs) == (2, 3) and torch.equal(model.head.weight, heads[1])


def test_where_the_score_is_undefined_the_loss_decides() -> None:
    _, _, best, _ = fit_with([math.nan, 0.1, math.nan])
    assert best == 2
    heads, model, best, _ = fit_with([math.nan] * 4)
    assert torch.equal(model.head.weight, heads[best - 1])


def test_early_stopping_waits_for_its_patience() -> None:
    _, _, best, epochs = fit_with([0.2, 0.9, 0.5, 0.5, 0.95], early_stop_patience=2)
    assert (best, epochs) == (2, 4)
    _, _, best, epochs = fit_with([0.2, 0.9, 0.5, 0.95, 0.5], early_stop_patience=2)
    assert (best, epochs) == (4, 5)


def test_bad_recipes_end_in_one_line() -> None:
    with pytest.raises(InputError, match="batch is 64, but there are only 48 train tiles"):
        trained(recipe=replace(RECIPE, batch=64))
    with pytest.raises(InputError, match=r"batch is 8; expected at least one tile for each of accumulate \(9\)"):
        trained(recipe=replace(RECIPE, accumulate=9))
    with pytest.raises(InputError, match=r"loss of tiny epoch 1 is nan; lower lr \(first tiles: tile\d+"):
        trained(recipe=replace(RECIPE, lr=1e30, epochs=1))


def test_a_class_that_is_missing_in_train_is_named() -> None:
    train = striped_tiles(48, 1)
    lacking = replace(train, classes=("good", "defective", "hole"))
    with pytest.raises(InputError, match="no train tile is of class 'hole'"):
        fit(tiny_model("cnn", 3), "cnn", lacking, lacking, RECIPE, start_engine(CPU), "tiny", NOT_KEPT)


def test_running_out_of_memory_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(CamClassifier, "forward", full)
    with pytest.raises(
        InputError, match=r"out of memory in tiny; raise accumulate \(now 1, at most 4\).* lower batch \(now 8\)"
    ):
        trained()
