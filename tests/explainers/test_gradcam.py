"""GradCAM against two other packages, against CAM, and by its properties."""

from types import SimpleNamespace

import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from stages.explainers import cam, gradcam
from stages.models.cnn import CamClassifier
from stages.models.geometry import offset_px
from stages.models.pools import POOLS
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError
from tests.columns import Columns

HALF = (0.5, 0.5, 0.5)
IMAGES = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def cnn(arch: str = "test_efficientnet", neurons: int = 3, stride: int = 16) -> CamClassifier:
    torch.manual_seed(0)
    return CamClassifier(arch, stride, HALF, HALF, neurons=neurons).eval()


def vit(neurons: int = 3, head: Head | None = None) -> RolloutClassifier:
    torch.manual_seed(0)
    return RolloutClassifier("test_vit", 64, HALF, HALF, neurons=neurons, head=head).eval()


def maps(model, images=IMAGES, **settings) -> Tensor:
    heatmaps = gradcam.explain(model, images, **settings).heatmaps
    assert heatmaps is not None
    return heatmaps


def peer_maps(model: nn.Module, layer: nn.Module, target: int, grid: tuple[int, int] | None) -> Tensor:
    """Return pytorch-grad-cam's maps before it cuts, rescales and enlarges them."""

    def reshape(tokens: Tensor) -> Tensor:
        assert grid is not None
        return tokens[:, 1:].transpose(1, 2).unflatten(2, grid)

    targets = [ClassifierOutputTarget(target)] * len(IMAGES)
    with GradCAM(Columns(model), [layer], reshape_transform=reshape if grid else None) as peer:
        peer(IMAGES, targets)
        kept = peer.activations_and_grads
        activations, gradients = kept.activations[0].numpy(), kept.gradients[0].numpy()
        return torch.from_numpy(peer.get_cam_image(IMAGES, layer, targets, activations, gradients, False))


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet"])
@pytest.mark.parametrize("stride", [None, 8, 4])
def test_agrees_with_pytorch_grad_cam_and_captum_on_a_cnn(arch: str, stride: int | None) -> None:
    model = cnn(arch)
    ours = maps(model, target=1, relu=False, stride=stride)
    layer = model.backbone.get_submodule(model.features_at(stride or model.cell_px))
    torch.testing.assert_close(ours[:, 0], peer_maps(model, layer, 1, None), rtol=1e-4, atol=1e-8)
    other = LayerGradCam(Columns(model), layer).attribute(IMAGES, target=1, relu_attributions=True)
    torch.testing.assert_close(ours.relu(), other, rtol=1e-4, atol=1e-8)


def test_agrees_with_pytorch_grad_cam_on_vit_tokens() -> None:
    model = vit()
    peer = peer_maps(model, model.backbone.blocks[-1].norm1, 2, (4, 4))
    torch.testing.assert_close(maps(model, target=2, relu=False)[:, 0], peer, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("pool", POOLS)
def test_agrees_with_pytorch_grad_cam_on_the_tokens_that_are_read(pool: str) -> None:
    model = vit(head=Head(reads="patch_tokens", pool=pool))  # type: ignore[arg-type]
    peer = peer_maps(model, model.backbone.norm, 2, (4, 4))
    torch.testing.assert_close(maps(model, target=2, relu=False)[:, 0], peer, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("target", [None, 0, 2])
@pytest.mark.parametrize("make", [cnn, lambda: vit(head=Head(reads="patch_tokens"))])
def test_at_the_last_stage_it_is_the_positive_part_of_cam_over_cells(make, target: int | None) -> None:
    model = make()
    expected = cam.explain(model, IMAGES, target).heatmaps
    assert expected is not None
    torch.testing.assert_close(
        maps(model, target=target), expected.relu() / expected[0, 0].numel(), rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("make", [cnn, vit])
def test_logits_are_the_models_and_its_parameters_untouched(make) -> None:
    model = make()
    outputs = gradcam.explain(model, IMAGES)
    torch.testing.assert_close(outputs.logits, model(IMAGES).logits, rtol=1e-4, atol=1e-6)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("make", [cnn, vit])
def test_an_image_does_not_see_its_batch_and_inference_mode_may_be_on(make) -> None:
    model = make()
    with torch.inference_mode():
        together, alone = maps(model), maps(model, IMAGES[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("make", [cnn, vit])
def test_binary_good_is_the_opposite_of_defective(make) -> None:
    model = make(neurons=1)
    torch.testing.assert_close(maps(model, target=0, relu=False), -maps(model, target=1, relu=False))


@pytest.mark.parametrize("make", [cnn, vit])
def test_constant_model_gives_zeros_and_random_weights_another_map(make) -> None:
    model = make()
    before = maps(model, target=0, relu=False)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    assert not torch.allclose(before, maps(model, target=0, relu=False), rtol=0.1)
    nn.init.zeros_(model.head.weight)
    assert not maps(model).any()


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"stride 7 is not in this CNN; its feature stages have 2, 4, 8, 16"):
        maps(cnn(), stride=7)
    with pytest.raises(InputError, match=r"gradcam.stride is 8; a ViT"):
        maps(vit(), stride=8)
    with pytest.raises(InputError, match="classes are 0 to 2"):
        maps(cnn(), target=3)


@pytest.mark.parametrize(("arch", "stride"), [("test_vit", 16), ("cspnext_tiny", 16), ("xception41", 32)])
def test_networks_whose_stages_timm_wraps_or_hooks(arch: str, stride: int) -> None:
    """At the model's own stride nothing is hooked: the map is the CAM where that is positive."""
    torch.manual_seed(0)
    model = CamClassifier(arch, stride, (0.5,) * 3, (0.5,) * 3).eval()
    images = torch.rand(2, 3, 64, 64)
    logits, cam = model(images, explain=True)
    outputs = gradcam.explain(model, images)
    assert cam is not None and outputs.heatmaps is not None
    torch.testing.assert_close(outputs.logits, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs.heatmaps, cam.relu() / cam[0, 0].numel(), rtol=1e-3, atol=1e-5)


def test_stages_that_cannot_be_reached_are_refused_in_one_line() -> None:
    for arch, stride in (("cspnext_tiny", 8), ("xception41", 16)):
        model = CamClassifier(arch, 32, (0.5,) * 3, (0.5,) * 3).eval()
        with pytest.raises(InputError, match=r"stride.* 8|stride.* 16"):
            gradcam.explain(model, torch.rand(1, 3, 64, 64), stride=stride)


def test_a_stage_below_a_decoder_has_the_cells_that_it_has_without() -> None:
    parameters = SimpleNamespace(gradcam=gradcam.GradCam(relu=True, stride=16))
    offsets = []
    for head in (Head(), Head(map_stride=8)):
        cells = gradcam.METHOD.cells(CamClassifier("test_efficientnet", 16, HALF, HALF, head=head), parameters)
        offsets.append(offset_px(cells.network, 64, cells.width_px, cells.layer))
    assert offsets[0] == offsets[1]
