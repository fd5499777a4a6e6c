"""The CAM head: exact relation of map and logit, map resolution, frozen stages, refusals."""

import pytest
import torch
from torch import nn

from stages.models.cnn import CamClassifier
from stages.runtime.errors import InputError

MEAN = STD = (0.5, 0.5, 0.5)


def tiny(stride: int = 32) -> CamClassifier:
    torch.manual_seed(0)
    return CamClassifier("test_efficientnet", stride, MEAN, STD).eval()


@pytest.mark.parametrize(("stride", "cells"), [(32, 2), (16, 4), (8, 8)])
def test_mean_of_cam_plus_bias_is_the_logit(stride: int, cells: int) -> None:
    model = tiny(stride)
    nn.init.constant_(model.head.bias, 0.7)  # type: ignore[arg-type]
    outputs = model(torch.rand(3, 3, 64, 64), explain=True)
    assert outputs.heatmaps is not None and outputs.heatmaps.shape == (3, 1, cells, cells)
    torch.testing.assert_close(outputs.heatmaps.mean((1, 2, 3)) + 0.7, outputs.logits)


def test_equals_pooling_before_the_neuron() -> None:
    model, images = tiny(), torch.rand(2, 3, 64, 64)
    features = model.backbone((images - 0.5) / 0.5)[0]
    pooled = features.mean((2, 3)) @ model.head.weight[:, :, 0, 0].T + model.head.bias
    torch.testing.assert_close(model(images).logits, pooled[:, 0])


def test_downscaled_model_lacks_the_last_stage() -> None:
    assert len(tiny(32).backbone.blocks) == 5 and len(tiny(16).backbone.blocks) == 4


def test_cam_of_a_mirrored_image_is_mirrored_for_a_symmetric_network() -> None:
    model = tiny()
    for module in model.modules():  # symmetric kernels and an even number of pixels per cell: exact equivariance
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight.data + module.weight.data.flip(-1)) / 2
            module.stride = (1, 1)
    images = torch.rand(1, 3, 32, 32)
    ours, mirrored = (model(x, explain=True).heatmaps for x in (images, images.flip(-1)))
    torch.testing.assert_close(mirrored.flip(-1), ours)


def test_stage_parameters_grow_and_start_at_the_stem() -> None:
    model = tiny()
    names = {id(p): n for n, p in model.backbone.named_parameters()}
    counts = [len(model.stage_parameters(count)) for count in range(6)]
    assert counts[0] == 0 and counts == sorted(counts) and counts[5] == len(names)
    first = [names[id(p)] for p in model.stage_parameters(1)]
    assert first[0] == "conv_stem.weight" and {n.split(".")[1] for n in first if n.startswith("blocks")} == {"0"}


def test_refusals_name_parameter_and_choices() -> None:
    with pytest.raises(InputError, match=r"stride 7 is not in 'test_efficientnet'.*2, 4, 8, 16, 32"):
        tiny(7)
    with pytest.raises(InputError, match="frozen_stages is 9"):
        tiny().stage_parameters(9)


@pytest.mark.parametrize("arch", ["test_vit", "cspnext_tiny"])
def test_stages_below_a_wrapper_freeze_too(arch: str) -> None:
    """Where timm keeps the whole network below `model`."""
    model = CamClassifier(arch, 16, (0.5,) * 3, (0.5,) * 3)
    one, two = ({id(parameter) for parameter in model.stage_parameters(count)} for count in (1, 2))
    assert one and one < two
    first = {
        id(parameter)
        for parameter in (
            model.backbone.model.patch_embed if arch == "test_vit" else model.backbone.model.stem
        ).parameters()
    }
    assert first <= one and id(model.head.weight) not in two
