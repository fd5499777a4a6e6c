"""The 1x1 convolution that EfficientNets have before their pooling, `last_conv`."""

import copy

import pytest
import timm
import torch

from stages.explainers.gradcam import explain
from stages.models.backbones import chain, used_stages
from stages.models.cnn import CamClassifier
from stages.models.registry import find_architecture
from stages.models.settings import Head, Model
from stages.models.weights import initial_classifier
from stages.runtime.errors import InputError
from tests.models.tiny import HALF

ARCH = "test_efficientnet.r160_in1k"
IMAGES = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def whole() -> torch.nn.Module:
    torch.manual_seed(1)
    return timm.create_model(ARCH).eval()


@pytest.fixture(scope="module")
def model(whole: torch.nn.Module) -> CamClassifier:
    state = whole.state_dict()
    return CamClassifier(ARCH, 32, HALF, HALF, pretrained={"state_dict": state}, last_conv=True).eval()


@torch.no_grad()
def test_features_are_those_that_timm_pools(whole: torch.nn.Module, model: CamClassifier) -> None:
    normalised = (IMAGES - 0.5) / 0.5
    features = model.backbone(normalised)[0]
    torch.testing.assert_close(features, whole.forward_features(normalised), rtol=0, atol=0)
    assert features.shape == (2, whole.num_features, 3, 3)
    outputs = model(IMAGES, explain=True)
    torch.testing.assert_close(outputs.heatmaps.mean(dim=(1, 2, 3)) + model.head.bias, outputs.logits)


@torch.no_grad()
def test_modules_one_after_the_other_give_the_features(model: CamClassifier) -> None:
    values = (IMAGES - 0.5) / 0.5
    for module in chain(model.backbone):
        values = module(values)
    torch.testing.assert_close(values, model.backbone((IMAGES - 0.5) / 0.5)[0], rtol=0, atol=0)


def test_it_counts_as_one_more_feature_stage(model: CamClassifier) -> None:
    plain = CamClassifier(ARCH, 32, HALF, HALF)
    stages = len(used_stages(plain.network))
    assert model.cell_px == plain.cell_px == 32
    assert len(model.stage_parameters(stages)) == len(plain.stage_parameters(stages))
    assert {*model.stage_parameters(stages + 1)} == {*model.network.parameters()}
    assert model.features_at(32) == "bn2" and model.features_at(16) == f"stages.{plain.features_at(16)}"


@pytest.mark.parametrize("stride", [None, 32])
def test_gradcam_of_its_features_is_the_cam_where_that_is_positive(model: CamClassifier, stride: int | None) -> None:
    """The gradient of a mean over cells is the neuron's weight / cells."""
    with torch.no_grad():
        cam = model(IMAGES, explain=True).heatmaps
    maps = explain(model, IMAGES, stride=stride).heatmaps
    torch.testing.assert_close(maps, cam.clamp(min=0) / cam[0, 0].numel(), rtol=1e-4, atol=1e-6)


def test_a_copy_computes_by_itself(model: CamClassifier) -> None:
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.backbone.conv_head.weight.zero_()
        assert not torch.equal(other(IMAGES).logits, model(IMAGES).logits)


def test_weights_of_a_package_fill_it() -> None:
    architecture = find_architecture("efficientnet_lite0", Model("cnn", last_conv=True))
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model, origin = initial_classifier("efficientnet_lite0", architecture, 64, "package", None)
        assert origin.pretrained and model.head.weight.shape[1] == 1280
        models.append(model)
    first, second = models
    assert torch.equal(first.backbone.conv_head.weight, second.backbone.conv_head.weight)
    assert not torch.equal(first.head.weight, second.head.weight)  # that one is drawn


@pytest.mark.parametrize(
    ("arch", "stride", "head", "message"),
    [
        (ARCH, 16, None, "reads its last feature stage, of stride 32, not 16"),
        (ARCH, 32, Head(map_stride=8), "goes with the model's own stride 32, not head.map_stride 8"),
        ("mobilenetv3_small_050", 32, None, "has no convolution between its last feature stage and its pooling"),
        ("resnet10t", 32, None, "has no convolution between its last feature stage and its pooling"),
    ],
)
def test_where_there_is_none_it_is_refused(arch: str, stride: int, head: Head | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CamClassifier(arch, stride, HALF, HALF, head=head, last_conv=True)


def test_a_vit_has_none() -> None:
    with pytest.raises(InputError, match=r"models\.ViT_tiny_patch16_224\.last_conv: belongs to a CNN"):
        find_architecture("ViT_tiny_patch16_224", Model("vit", last_conv=True))
