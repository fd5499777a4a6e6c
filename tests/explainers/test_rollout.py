"""The rollout of a whole model against hooks on timm's own explicit attention path."""

from copy import deepcopy

import pytest
import torch

from stages.explainers import rollout
from stages.models.rollout import fuse_heads, settings_grid
from stages.models.rollout import rollout as roll_out
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError

GRID = settings_grid(("min", "mean", "max"), (0.0, 0.5, 0.9))


def tiny() -> RolloutClassifier:
    torch.manual_seed(0)
    return RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3).eval()


@torch.inference_mode()
def test_uses_the_attention_that_timm_computes() -> None:
    model, images, kept = tiny(), torch.rand(2, 3, 64, 64), []
    ours = rollout.explain(model, images, settings=GRID).heatmaps
    for block in model.backbone.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _, inputs, __: kept.append(inputs[0]))
    model(images)
    fused = {fusion: [fuse_heads(attention, fusion) for attention in kept] for fusion in ("min", "mean", "max")}
    assert ours is not None and len(kept) == len(model.backbone.blocks)
    torch.testing.assert_close(ours.flatten(2), roll_out(fused, GRID), rtol=1e-4, atol=1e-7)


@torch.inference_mode()
def test_an_image_does_not_see_its_batch() -> None:
    model, images = tiny(), torch.rand(3, 3, 64, 64)
    together = rollout.explain(model, images, settings=GRID).heatmaps
    alone = rollout.explain(model, images[2:], settings=GRID).heatmaps
    torch.testing.assert_close(together[2:], alone, rtol=1e-4, atol=1e-7)  # type: ignore[index]


@torch.inference_mode()
def test_published_normalisation_differs() -> None:
    model, images = tiny(), torch.rand(1, 3, 64, 64)
    rows, published = (
        rollout.explain(model, images, settings=GRID, normalise=kind).heatmaps for kind in ("rows", "published")
    )
    assert not torch.allclose(rows, published)  # type: ignore[arg-type]


def test_what_is_not_finite_is_named_and_targets_are_checked() -> None:
    model, images = tiny(), torch.rand(6, 3, 64, 64)
    with pytest.raises(InputError, match="classes are 0 to 1"):
        rollout.explain(model, images, 2, settings=GRID)
    images[4, 1, 2, 3] = torch.inf
    with pytest.raises(InputError, match="number 4 of the batch holds NaN or infinity"):
        rollout.explain(model, images, settings=GRID)


@pytest.mark.parametrize(("half", "rtol"), [(torch.bfloat16, 0.05), (torch.float16, 0.005)])
@torch.inference_mode()
def test_half_precision_stays_close(half: torch.dtype, rtol: float) -> None:
    model, images = tiny().to(half), torch.rand(2, 3, 64, 64)
    ours = rollout.explain(model, images, settings=GRID[::3]).heatmaps
    exact = rollout.explain(deepcopy(model).float(), images, settings=GRID[::3]).heatmaps
    assert ours is not None and ours.dtype == torch.float32
    torch.testing.assert_close(ours, exact, rtol=rtol, atol=1e-4)
