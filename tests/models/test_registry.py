"""Names and architectures: all that are listed build and explain, what cannot is refused with the reason."""

import pytest
import torch

from stages.models.cnn import CamClassifier
from stages.models.registry import ARCHITECTURES, Architecture, find_architecture
from stages.models.rollout import settings_grid
from stages.models.weights import build_classifier
from stages.runtime.errors import InputError
from stages.runtime.params import Model

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
    with pytest.raises(InputError, match=r"timm has no 'resnet8'; near names: resnet"):
        find_architecture("x", Model(family="cnn", arch="resnet8"))
    with pytest.raises(InputError, match=r"family is 'vit'; MobileNetV3_large is a cnn"):
        find_architecture("MobileNetV3_large", Model(family="vit"))
    with pytest.raises(InputError, match=r"stride: a ViT without a stem"):
        find_architecture("x", Model(family="vit", arch="test_vit", stride=16))
    with pytest.raises(InputError, match=r"models.x.arch is 'resnet18.nonsense'"):
        find_architecture("x", Model(family="cnn", arch="resnet18.nonsense"))
    assert find_architecture("x", Model(family="cnn", arch="resnet18")).stride == 32
