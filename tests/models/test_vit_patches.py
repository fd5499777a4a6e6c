"""A ViT that reads its patch tokens: pool(map) + bias = logit, the map beside rollout, exported, refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from stages.models.pools import POOLS
from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.models.weights import build_classifier
from stages.runtime.errors import InputError

HALF = (0.5, 0.5, 0.5)
GRID = settings_grid(("min", "mean", "max"), (0.0, 0.9))
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
KINDS = {
    "plain": Architecture("vit", "test_vit", None),
    "hybrid": Architecture("vit", "test_vit", 8, "test_efficientnet", 2),
    "registers and layer scale": Architecture("vit", "vit_small_patch14_reg4_dinov2", None, None, 1),
    "timm's hybrid": Architecture("vit", "vit_tiny_r_s16_p8_224", None, None, 1),
}


def vit(kind: str = "plain", neurons: int = 1, px: int = 64, **head: object) -> RolloutClassifier:
    torch.manual_seed(0)
    settings = Head(reads="patch_tokens", **head)  # type: ignore[arg-type]
    model = build_classifier(replace(KINDS[kind], head=settings), px, neurons=neurons)
    assert isinstance(model, RolloutClassifier)
    model.head.bias.data = torch.linspace(-1, 2, neurons)
    return model.eval()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("neurons", [1, 3])
def test_pool_of_the_map_plus_bias_is_the_logit(pool: str, neurons: int) -> None:
    model = vit(neurons=neurons, pool=pool)
    logits, cam = model(IMAGES, explain=True)
    assert cam.shape == (2, neurons, 4, 4) and cam.std() > 0
    assert torch.equal(POOLS[pool](cam, model.settings) + model.head.bias, logits.reshape(2, neurons))
    assert torch.equal(model(IMAGES).logits, logits) and model(IMAGES).heatmaps is None
    model.head.bias.data += 5
    assert torch.equal(model(IMAGES, explain=True).heatmaps, cam)


@pytest.mark.parametrize(("kind", "px", "cells"), [("plain", 64, 4), ("hybrid", 64, 8), ("timm's hybrid", 64, 2)])
def test_each_cell_is_the_neuron_on_timms_token_of_its_patch(kind: str, px: int, cells: int) -> None:
    model = vit(kind, 2, px)
    tokens = model.backbone.forward_features((IMAGES - model.mean) / model.std)
    cam = model(IMAGES, explain=True).heatmaps
    assert cam.shape == (2, 2, cells, cells) and model.cell_px * cells == px
    for row in range(cells):
        for column in range(cells):
            token = tokens[:, 1 + row * cells + column]
            torch.testing.assert_close(cam[:, :, row, column], token @ model.head.weight.T, rtol=1e-4, atol=1e-5)


def test_class_and_register_tokens_have_no_cell() -> None:
    model = vit("registers and layer scale", px=28)
    images = torch.rand(1, 3, 28, 28)
    tokens = model.backbone.forward_features((images - model.mean) / model.std)
    cam = model(images, GRID, explain=True).heatmaps
    assert cam.shape == (1, 1 + len(GRID), 2, 2)
    torch.testing.assert_close(cam[0, 0].flatten(), (tokens[0, 5:] @ model.head.weight[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "hybrid"])
def test_one_pass_gives_class_maps_and_rollouts(kind: str) -> None:
    model = vit(kind, 3)
    logits, maps = model(IMAGES, GRID, explain=True)
    assert maps.shape[:2] == (2, 3 + len(GRID))
    torch.testing.assert_close(maps[:, :3], model(IMAGES, explain=True).heatmaps, rtol=1e-4, atol=1e-5)
    assert torch.equal(maps[:, 3:], model(IMAGES, GRID).heatmaps)
    torch.testing.assert_close(logits, model(IMAGES).logits, rtol=1e-4, atol=1e-5)


def test_the_class_token_stays_what_it_was() -> None:
    models = []
    for head in (None, Head(), Head(reads="patch_tokens")):
        torch.manual_seed(0)
        models.append(RolloutClassifier("test_vit", 64, HALF, HALF, head=head).eval())
    plain, same, patches = models
    for key, tensor in plain.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[key]) and torch.equal(tensor, patches.state_dict()[key])
    assert torch.equal(plain(IMAGES).logits, same(IMAGES).logits)
    assert not torch.allclose(plain(IMAGES).logits, patches(IMAGES).logits)
    with pytest.raises(InputError, match="reads its class token has no class map"):
        plain(IMAGES, explain=True)


def test_nothing_reaches_the_logits_from_the_class_token_of_the_last_block() -> None:
    model = vit()
    tokens = model.backbone.blocks(model.embed(IMAGES)).detach().requires_grad_()
    model.classify(tokens).sum().backward()
    assert not tokens.grad[:, 0].any() and tokens.grad[:, 1:].any(dim=2).all()  # type: ignore[index]


def test_another_stride_than_the_models_own_is_refused() -> None:
    assert vit(map_stride=16).cell_px == 16 and vit("hybrid", map_stride=8).cell_px == 8
    for kind, own in (("plain", 16), ("hybrid", 8), ("timm's hybrid", 32)):
        with pytest.raises(InputError, match=rf"head.map_stride is 4; .* one cell per patch, here {own} px; use null"):
            vit(kind, map_stride=4)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_stays_close(pool: str, half: torch.dtype) -> None:
    model = vit(pool=pool)
    exact = model(IMAGES, GRID, explain=True)
    ours = vit(pool=pool).to(half)(IMAGES, GRID, explain=True)
    torch.testing.assert_close(ours.logits.float(), exact.logits, rtol=0.05, atol=0.05)
    torch.testing.assert_close(ours.heatmaps.float(), exact.heatmaps, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("kind", ["plain", "hybrid"])
def test_the_forward_pass_can_be_exported(kind: str, pool: str) -> None:
    class Explained(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return tuple(self.model(images, explain=True))

    explained = Explained(vit(kind, 2, pool=pool))
    exported = torch.export.export(explained, (IMAGES,)).module()
    others = IMAGES.flip(3)
    for ours, traced in zip(explained(others), exported(others), strict=True):
        torch.testing.assert_close(traced, ours, rtol=1e-4, atol=1e-5)
