"""Names and architectures: all that are listed build and explain, what cannot is refused with the reason."""

import pytest
import torch
from timm.models.vision_transformer import Block

from stages.models.cnn import CamClassifier
from stages.models.registry import ARCHITECTURES, Architecture, find_architecture
from stages.models.rollout import settings_grid
from stages.models.settings import Model
from stages.models.weights import build_classifier, refuse_unusable
from stages.runtime.errors import InputError

PX = 112  # a multiple of 14 and 16


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_listed_architecture_is_known_to_timm_and_builds(name: str) -> None:
    listed = ARCHITECTURES[name]
    assert find_architecture(name, Model(family=listed.family)) == listed  # type: ignore[arg-type]
    assert listed.stem or name.endswith("_d") == (listed.stride == 16)
    model = build_classifier(listed, PX, neurons=3).eval()
    images = torch.rand(1, 3, PX, PX)
    with torch.inference_mode():
        if isinstance(model, CamClassifier):
            outputs = model(images, explain=True)
        else:
            outputs = model(images, settings_grid(("mean",), (0.0,)))
    assert outputs.logits.shape == (1, 3) and outputs.heatmaps is not None
    cell = listed.stride or model.backbone.patch_embed.patch_size[0]
    maps, height, width = outputs.heatmaps.shape[1:]
    assert maps == (3 if listed.family == "cnn" else 1)
    assert height == width and height in (PX // cell, -(-PX // cell))  # rounded down or up, as the network pads


def test_feature_stages_that_are_not_counted_from_0() -> None:
    model = build_classifier(Architecture("cnn", "dla46_c", 32), 64).eval()  # timm's default leaves out stage 0
    assert model.backbone.feature_info.reduction() == [32]
    assert model(torch.rand(1, 3, 64, 64), explain=True).heatmaps.shape == (1, 1, 2, 2)


@pytest.mark.parametrize(
    ("architecture", "px", "reason"),
    [
        (Architecture("cnn", "test_mambaout", 8), 64, r"laid out as \(2, 8, 8, 32\), not as \(2, 32, rows, columns\)"),
        (
            Architecture("cnn", "inception_v3", 16),
            112,
            "its maps: 5 x 5 cells of 16 px cannot be the map of a tile of 112 px",
        ),
        (Architecture("vit", "crossvit_9_240", None), 240, "it is a CrossVit, not a timm VisionTransformer"),
        (Architecture("vit", "test_vit2", None), 64, "no class token"),
        (Architecture("vit", "vit_tiny_patch16_224", None), 100, "tile.px is 100"),
        # an assertion of timm's without words
        (
            Architecture("cnn", "halonet_h1", 16),
            96,
            r"\(AssertionError: the side is probably no multiple of its patch or window\)",
        ),
    ],
    ids=lambda value: value.arch if isinstance(value, Architecture) else None,
)
def test_what_cannot_be_explained_is_refused_and_draws_no_random_number(
    architecture: Architecture, px: int, reason: str
) -> None:
    before = torch.get_rng_state()
    with pytest.raises(InputError, match=reason) as refusal:
        refuse_unusable(architecture, px, "params.yaml: models.x")
    assert "\n" not in str(refusal.value) and torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("cnn", "test_convnext", 32),
        Architecture("vit", "test_vit", None),
        Architecture("vit", "deit_tiny_distilled_patch16_224", None, None, 2),
        Architecture("vit", "test_vit", 8, "test_efficientnet", 2),
        Architecture("vit", "vit_tiny_r_s16_p8_224", None, None, 2),  # timm's own hybrid
    ],
)
def test_what_can_be_explained_passes_and_draws_no_random_number(architecture: Architecture) -> None:
    before = torch.get_rng_state()
    refuse_unusable(architecture, 64, "params.yaml: models.x")
    assert torch.equal(before, torch.get_rng_state())


def test_blocks_that_rollout_would_misread_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Block.forward
    monkeypatch.setattr(Block, "forward", lambda self, tokens, *rest, **named: plain(self, 2 * tokens, *rest, **named))
    with pytest.raises(InputError, match="its blocks compute something else than attention, then an MLP"):
        refuse_unusable(Architecture("vit", "test_vit", None), 64, "params.yaml: models.x")


@pytest.mark.parametrize("arch", ["test_convnext", "test_resnet", "test_nfnet"])
@pytest.mark.parametrize("stride", [32, 16, 8])
def test_any_cnn_with_feature_stages_has_maps_of_that_stride(arch: str, stride: int) -> None:
    model = build_classifier(Architecture("cnn", arch, stride), 64).eval()
    with torch.inference_mode():
        outputs = model(torch.rand(1, 3, 64, 64), explain=True)
    assert outputs.heatmaps.shape == (1, 1, 64 // stride, 64 // stride)
    torch.testing.assert_close(outputs.heatmaps.mean() + model.head.bias, outputs.logits, rtol=1e-4, atol=1e-5)


def test_find_architecture_refusals() -> None:
    with pytest.raises(InputError, match=r"models.x: no architecture of this name"):
        find_architecture("x", Model(family="cnn"))
    with pytest.raises(InputError, match=r"no architecture of this name; near names: VGG16;"):
        find_architecture("VGG_16", Model(family="cnn"))
    with pytest.raises(InputError, match=r"timm has no 'resnet8'; near names: resnet"):
        find_architecture("x", Model(family="cnn", arch="resnet8"))
    with pytest.raises(InputError, match=r"family is 'vit'; MobileNetV3_large is a cnn"):
        find_architecture("MobileNetV3_large", Model(family="vit"))
    with pytest.raises(InputError, match=r"stride: a ViT without a stem"):
        find_architecture("x", Model(family="vit", arch="test_vit", stride=16))
    with pytest.raises(InputError, match=r"models.x.arch is 'resnet18.nonsense'"):
        find_architecture("x", Model(family="cnn", arch="resnet18.nonsense"))
    assert find_architecture("x", Model(family="cnn", arch="resnet18")).stride == 32


def test_a_repeat_has_the_architecture_of_its_model():
    """Not that of an unlisted name: the stride would be another."""
    listed = ARCHITECTURES["efficientnet_lite0_d"]
    assert find_architecture("efficientnet_lite0_d_seed1", Model("cnn", of="efficientnet_lite0_d")) == listed
