"""Training on tiles that a tiny network can tell apart: it learns, repeats bit for bit, freezes what it should."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

from stages.models.batches import epoch_order, random_flips, to_images
from stages.models.cnn import CamClassifier
from stages.models.training import fit, predict
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.errors import InputError
from stages.runtime.params import Training
from stages.runtime.seeds import seed_everything

CPU = torch.device("cpu")
RECIPE = Training(
    lr=0.01, weight_decay=0.0, batch=8, epochs=3, good_per_defective=None, frozen_stages=0, ema_decay=0.0,
    warmup_epochs=0, plateau_factor=0.1, plateau_patience=1, weights="none", seed=0,
)  # fmt: skip


@dataclass(frozen=True)
class MemoryTiles:
    pixels: np.ndarray
    labels: np.ndarray

    @property
    def index(self) -> pd.DataFrame:
        return pd.DataFrame({"tile_id": [f"tile{i}" for i in range(len(self.labels))]})

    def images(self, positions: np.ndarray) -> np.ndarray:
        return self.pixels[positions]


def striped_tiles(count: int, seed: int) -> MemoryTiles:
    """Noise; defective tiles have a bright bar somewhere."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 120, (count, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(count) % 2 == 0
    for i in np.flatnonzero(labels):
        pixels[i, random.integers(4, 28) :][:6] = 250
    return MemoryTiles(pixels, labels)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(((logits > 0) == labels).mean())


def trained(family: str = "cnn", recipe: Training = RECIPE) -> tuple[Classifier, list[float]]:
    seed_everything(recipe.seed, CPU)
    half = (0.5, 0.5, 0.5)
    model: Classifier
    if family == "cnn":
        model = CamClassifier("test_efficientnet", 16, half, half)
    else:
        model = RolloutClassifier("test_vit", 32, half, half)
    fitted = fit(model, family, striped_tiles(48, 1), striped_tiles(16, 2), recipe, accuracy, CPU, "tiny")
    return model, [epoch.train_loss for epoch in fitted.history]


@pytest.mark.parametrize("family", ["cnn", "vit"])
def test_same_seed_gives_the_same_bits_and_another_does_not(family: str) -> None:
    recipe = RECIPE if family == "cnn" else replace(RECIPE, lr=1e-3)
    (first, losses), (second, again), (other, _) = (
        trained(family, recipe), trained(family, recipe), trained(family, replace(recipe, seed=1)),
    )  # fmt: skip
    assert losses == again
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[key]), key
    assert not torch.equal(first.head.weight, other.head.weight)


def test_it_learns() -> None:
    model, losses = trained(recipe=replace(RECIPE, epochs=6))
    assert losses[-1] < losses[0] / 2
    tiles = striped_tiles(32, 3)
    assert accuracy(predict(model, tiles, 8, CPU), tiles.labels) > 0.9


def test_frozen_stages_and_warm_up_keep_the_backbone_bit_for_bit() -> None:
    seed_everything(0, CPU)
    before = {
        k: v.clone() for k, v in CamClassifier("test_efficientnet", 16, (0.5,) * 3, (0.5,) * 3).state_dict().items()
    }
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


def test_the_best_epoch_is_kept() -> None:
    seed_everything(0, CPU)
    model = CamClassifier("test_efficientnet", 16, (0.5,) * 3, (0.5,) * 3)
    scores = iter([0.2, 0.9, 0.5])
    weights: list[torch.Tensor] = []

    def score(logits: np.ndarray, labels: np.ndarray) -> float:
        weights.append(model.head.weight.detach().clone())
        return next(scores)

    fitted = fit(model, "cnn", striped_tiles(16, 1), striped_tiles(8, 2), RECIPE, score, CPU, "tiny")
    assert fitted.best.epoch == 2 and torch.equal(model.head.weight, weights[1])


def test_bad_recipes_end_in_one_line() -> None:
    with pytest.raises(InputError, match="batch is 64, but there are only 48 train tiles"):
        trained(recipe=replace(RECIPE, batch=64))
    with pytest.raises(InputError, match="loss of tiny epoch 1 is nan; lower lr"):
        trained(recipe=replace(RECIPE, lr=1e30, epochs=1))


def test_epoch_order_draws_good_tiles_anew() -> None:
    labels = np.array([True] * 5 + [False] * 100)
    first, second = epoch_order(labels, 3.0, 0, 1), epoch_order(labels, 3.0, 0, 2)
    assert len(first) == 20 and set(range(5)) <= set(first) and len(set(first)) == 20
    assert set(first) != set(second) and (first == epoch_order(labels, 3.0, 0, 1)).all()
    assert sorted(epoch_order(labels, None, 0, 1)) == list(range(105))
    assert len(epoch_order(labels, 50.0, 0, 1)) == 105  # never more than there are


def test_flips_are_the_four_mirror_images() -> None:
    tile = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    tiles = np.repeat(tile, 200, axis=0)
    seen = {flipped.tobytes() for flipped in random_flips(tiles, np.random.default_rng(0))}
    assert seen == {tile[0][::a, ::b].tobytes() for a in (1, -1) for b in (1, -1)}
    assert (tiles == tile).all()  # the input is not changed


def test_images_are_channels_first_in_0_to_1() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 1, 0, 2] = 255
    images = to_images(pixels, CPU)
    assert images.shape == (1, 3, 2, 2) and images[0, 2, 1, 0] == 1 and images.sum() == 1
