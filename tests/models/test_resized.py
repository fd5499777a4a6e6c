"""Classifiers for another side: a ViT is what timm makes of its weights there, and the model itself is left alone."""

import pytest
import torch

from stages.models.cnn import CamClassifier
from stages.models.registry import Architecture
from stages.models.resized import resized
from stages.models.vit import RolloutClassifier
from stages.models.weights import build_classifier
from stages.runtime.errors import InputError
from tests.models.tiny import HALF

HYBRID = Architecture("vit", "test_vit", 4, "test_efficientnet", 1)


def test_a_cnn_takes_any_side_as_it_is() -> None:
    model = CamClassifier("test_efficientnet", 16, HALF, HALF).eval()
    assert resized(model, 96, "x") is model


@pytest.mark.parametrize(
    ("arch", "patch"), [("test_vit", 16), ("vit_tiny_patch16_224", 16), ("vit_small_patch14_reg4_dinov2", 14)]
)
def test_a_vit_has_the_embeddings_that_timm_loads_at_that_side(arch: str, patch: int) -> None:
    """timm's own way: the weights of one side filtered for a model that was built for the other."""
    from timm.models.vision_transformer import checkpoint_filter_fn

    torch.manual_seed(0)
    model = RolloutClassifier(arch, 4 * patch, HALF, HALF, depth=1).eval()
    torch.nn.init.normal_(model.backbone.pos_embed)
    larger = resized(model, 8 * patch, "x")
    built = RolloutClassifier(arch, 8 * patch, HALF, HALF, depth=1).eval()
    built.backbone.load_state_dict(checkpoint_filter_fn(dict(model.backbone.state_dict()), built.backbone))
    built.head.load_state_dict(model.head.state_dict())
    images = torch.rand(2, 3, 8 * patch, 8 * patch)
    with torch.no_grad():
        torch.testing.assert_close(larger(images).logits, built(images).logits)
    assert larger.backbone.patch_embed.grid_size == built.backbone.patch_embed.grid_size


@pytest.mark.parametrize("hybrid", [False, True])
def test_weights_are_shared_and_the_model_stays_as_it_was(hybrid: bool) -> None:
    torch.manual_seed(0)
    model = build_classifier(HYBRID, 32) if hybrid else RolloutClassifier("test_vit", 32, HALF, HALF)
    assert isinstance(model.eval(), RolloutClassifier)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before, grid = model(images).logits, model.backbone.patch_embed.grid_size
        larger = resized(model, 64, "x")
        assert model(images).logits.equal(before) and model.backbone.patch_embed.grid_size == grid
        assert larger(torch.rand(2, 3, 64, 64)).logits.shape == (2,)
    assert larger.cell_px == model.cell_px
    own = {id(parameter) for parameter in model.parameters()}
    assert [name for name, parameter in larger.named_parameters() if id(parameter) not in own] == ["backbone.pos_embed"]
    same = resized(model, 32, "x")
    with torch.no_grad():
        assert same(images).logits.equal(before)


@pytest.mark.parametrize(
    ("px", "message"),
    [
        (72, r"^params.yaml: it makes images of 72 px, but this model .* them: expected a multiple of its patch, 16$"),
        (0, r"images of 0 px, but this model cannot take them: a cell of its map is 16 px$"),
    ],
)
def test_what_a_vit_cannot_take_is_refused(px: int, message: str) -> None:
    model = RolloutClassifier("test_vit", 64, HALF, HALF).eval()
    with pytest.raises(InputError, match=message):
        resized(model, px, "it")


def test_a_network_of_one_side_is_refused() -> None:
    """As one with position embeddings would be."""
    model = CamClassifier("test_efficientnet", 16, HALF, HALF).eval()

    def expect_64(_: torch.nn.Module, images: tuple[torch.Tensor]) -> None:
        assert images[0].shape[-1] == 64, "Input height (80) does not match the model's (64)."

    model.backbone.register_forward_pre_hook(expect_64)
    with pytest.raises(InputError, match=r"it makes images of 80 px, but this model cannot take them: Input height"):
        resized(model, 80, "it")
