"""Early features: those of timm's stages, averaged over neighbours, on one grid, from the pass that is made anyway."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from stages.models.cnn import CamClassifier
from stages.models.features import EarlyFeatures
from stages.models.geometry import enlarged
from stages.models.rollout import settings_grid
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from tests.models.tiny import HALF


def averaged(maps: np.ndarray) -> np.ndarray:
    """3 x 3 means, beyond the border of zeros."""
    found = np.empty_like(maps)
    for row in range(maps.shape[2]):
        for column in range(maps.shape[3]):
            near = maps[:, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            found[:, :, row, column] = near.sum(axis=(2, 3)) / 9
    return found


def heard(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), EarlyFeatures(model).heard() as features:
        model(images)
    return features()


@pytest.mark.parametrize("stride", [16, 32])
@pytest.mark.parametrize("head", [Head(), Head(map_stride=8)])
def test_those_of_a_cnn_are_its_stages_of_strides_8_and_16(stride: int, head: Head) -> None:
    torch.manual_seed(0)
    model = CamClassifier("test_efficientnet", stride, HALF, HALF, head=head).eval()
    images = torch.rand(2, 3, 64, 96)
    stages = timm.create_model("test_efficientnet", features_only=True, out_indices=(2, 3)).eval()
    missing, _ = stages.load_state_dict(model.network.state_dict(), strict=False)
    assert all(name.startswith("blocks.4") for name in missing)  # after the stages that are compared
    with torch.no_grad():
        fine, coarse = (averaged(maps.numpy()) for maps in stages((images - 0.5) / 0.5))
    up = nn.functional.interpolate(torch.from_numpy(coarse), fine.shape[2:], mode="bilinear", align_corners=False)
    expected = torch.cat([torch.from_numpy(fine), up], dim=1)
    torch.testing.assert_close(heard(model, images), expected, rtol=1e-4, atol=1e-5)
    assert EarlyFeatures(model).cell_px == 8


def test_those_of_a_hybrid_are_its_stem_s() -> None:
    from stages.models.backbones import build_features

    torch.manual_seed(0)
    stem = build_features("test_efficientnet", 16)
    model = RolloutClassifier("test_vit", 64, HALF, HALF, stem=stem, depth=2).eval()
    cnn = CamClassifier("test_efficientnet", 16, HALF, HALF).eval()
    cnn.backbone.load_state_dict(model.backbone.patch_embed.backbone.state_dict())
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(heard(model, images), heard(cnn, images), rtol=1e-4, atol=1e-5)


def test_those_of_a_vit_are_patch_tokens_after_half_and_three_quarters_of_its_blocks() -> None:
    torch.manual_seed(0)
    model = RolloutClassifier("test_vit", 64, HALF, HALF, depth=4).eval()
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        tokens, after = model.embed(images), []
        for block in model.backbone.blocks:
            tokens = block(tokens)
            after.append(averaged(tokens[:, 1:].mT.unflatten(2, (4, 4)).numpy()))
    expected = torch.from_numpy(np.concatenate([after[1], after[2]], axis=1))
    torch.testing.assert_close(heard(model, images), expected, rtol=1e-4, atol=1e-5)
    # the same ones from the pass that takes attention apart, some images at a time
    with torch.no_grad(), EarlyFeatures(model).heard() as features:
        for some in (images[:2], images[2:]):
            model(some, settings_grid(("min", "max"), (0.0, 0.5)))
    torch.testing.assert_close(features(), expected, rtol=1e-3, atol=1e-4)


def test_hearing_changes_nothing_and_ends() -> None:
    model = CamClassifier("test_efficientnet", 16, HALF, HALF).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = model(images).logits
        with EarlyFeatures(model).heard():
            assert torch.equal(model(images).logits, before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(("coarse", "fine"), [(7, 13), (7, 14), (6, 13)])
def test_enlarged_cells_lie_where_the_coarse_ones_do(coarse: int, fine: int) -> None:
    """A slope stays a slope: its value at a centre is that of the place."""
    places = (torch.arange(coarse) + 0.5) * 16
    values = enlarged(places[None, None, None].expand(1, 1, coarse, -1), 2, (fine, fine))[0, 0, 0]
    assert values.shape == (fine,)
    inside = slice(1, min(fine, 2 * coarse - 1) - 1)
    torch.testing.assert_close(values[inside], ((torch.arange(fine) + 0.5) * 8)[inside])
