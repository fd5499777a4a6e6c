"""The rollout head: same logits as timm's own forward pass, maps of patches only, refusals."""

import pytest
import timm
import torch

from stages.models.backbones import build_features
from stages.models.rollout import settings_grid
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError

MEAN = STD = (0.5, 0.5, 0.5)
GRID = settings_grid(("min", "mean", "max"), (0.0, 0.9))


def tiny(arch: str = "test_vit", px: int = 64) -> RolloutClassifier:
    torch.manual_seed(0)
    return RolloutClassifier(arch, px, MEAN, STD).eval()


def test_explaining_does_not_change_the_logit() -> None:
    model, images = tiny(), torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model(images).logits, model(images, GRID).logits, rtol=1e-5, atol=1e-6)


def test_hybrid_reads_the_stems_features_and_has_its_resolution() -> None:
    torch.manual_seed(0)
    stem = build_features("test_efficientnet", 8)
    model = RolloutClassifier("test_vit", 64, MEAN, STD, stem=stem, depth=2).eval()
    images = torch.rand(2, 3, 64, 64)
    outputs = model(images, GRID)
    assert len(model.backbone.blocks) == 2
    assert outputs.heatmaps is not None and outputs.heatmaps.shape == (2, 6, 8, 8)
    torch.testing.assert_close(outputs.logits, model(images).logits, rtol=1e-5, atol=1e-6)
    stem.conv_stem.weight.data.neg_()
    assert not torch.allclose(model(images).logits, outputs.logits)


def test_plain_forward_is_timms() -> None:
    model, images = tiny(), torch.rand(2, 3, 64, 64)
    features = model.backbone.forward_features((images - 0.5) / 0.5)
    torch.testing.assert_close(model(images).logits, model.head(features[:, 0])[:, 0])


def test_maps_have_one_value_per_patch_and_setting() -> None:
    heatmaps = tiny()(torch.rand(2, 3, 64, 64), GRID).heatmaps
    assert heatmaps is not None and heatmaps.shape == (2, 6, 4, 4) and (heatmaps >= 0).all()


def test_register_tokens_are_left_out() -> None:
    torch.manual_seed(0)
    timm_model = timm.create_model("vit_small_patch14_reg4_dinov2", img_size=28, depth=1)
    assert timm_model.num_prefix_tokens == 5
    model = RolloutClassifier("vit_small_patch14_reg4_dinov2", 28, MEAN, STD).eval()
    heatmaps = model(torch.rand(1, 3, 28, 28), GRID).heatmaps
    assert heatmaps is not None and heatmaps.shape == (1, 6, 2, 2)


def test_randomised_weights_change_the_map() -> None:
    model, images = tiny(), torch.rand(1, 3, 64, 64)
    before = model(images, GRID).heatmaps
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    after = model(images, GRID).heatmaps
    assert before is not None and after is not None and not torch.allclose(before, after, rtol=0.05)


def test_stage_parameters_leave_norm_and_later_blocks_free() -> None:
    model = tiny()
    names = {id(p): n for n, p in model.backbone.named_parameters()}
    frozen = {names[id(p)] for p in model.stage_parameters(2)}
    assert "cls_token" in frozen and "blocks.1.attn.qkv.weight" in frozen
    assert not any(n.startswith(("blocks.2", "norm.")) for n in frozen)
    assert model.stage_parameters(0) == []


def test_refusals_name_parameter_and_reason() -> None:
    with pytest.raises(InputError, match=r"tile.px is 60.*multiple of its patch, 16"):
        tiny(px=60)
    with pytest.raises(InputError, match="test_resnet"):
        tiny("test_resnet")
    with pytest.raises(InputError, match="SwinTransformer"):
        tiny("swin_tiny_patch4_window7_224", 224)
    with pytest.raises(InputError, match="class token"):
        tiny("vit_base_patch16_siglip_224", 224)
    with pytest.raises(InputError, match="frozen_stages is 99"):
        tiny().stage_parameters(99)
