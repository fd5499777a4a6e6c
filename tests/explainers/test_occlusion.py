"""Occlusion against captum on every kind of network, by hand on a linear one, and by its properties."""

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from stages.explainers import occlusion
from stages.explainers.occlusion_crops import crop_layers, plan_crops
from stages.models.backbones import build_features
from stages.models.cnn import CamClassifier
from stages.models.geometry import Reach
from stages.models.outputs import select_score
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError

HALF = (0.5, 0.5, 0.5)


def cnn(arch: str, neurons: int = 1) -> CamClassifier:
    torch.manual_seed(0)
    return CamClassifier(arch, 16, HALF, HALF, neurons=neurons).eval()


def vit() -> RolloutClassifier:
    torch.manual_seed(0)
    return RolloutClassifier("test_vit", 64, HALF, HALF, neurons=3).eval()


def hybrid(head: Head | None = None) -> RolloutClassifier:
    torch.manual_seed(0)
    stem = build_features("test_efficientnet", 8, None)
    return RolloutClassifier("test_vit", 64, HALF, HALF, stem=stem, depth=2, head=head).eval()


def maps(model, images: Tensor, *settings, **more) -> Tensor:
    heatmaps = occlusion.explain(model, images, *settings, **more).heatmaps
    assert heatmaps is not None
    return heatmaps


@pytest.mark.parametrize(
    ("model", "px", "window", "stride", "target"),
    [
        (cnn("test_efficientnet"), 96, 8, 8, 1),
        (cnn("test_efficientnet", 3), 96, 16, 8, 2),
        (cnn("test_efficientnet"), 100, 12, 6, 0),  # neither the window nor the strides divide the image
        (cnn("test_resnet"), 96, 16, 8, 1),
        (cnn("mobilenetv3_small_050"), 64, 16, 8, 1),  # squeeze and excitation: no crops from there on
        (cnn("tf_efficientnet_lite0"), 112, 16, 16, 1),  # `same` padding
        (cnn("vgg11"), 64, 16, 8, 1),  # many layers without padding of their own
        (vit(), 64, 16, 8, 1),
        (hybrid(), 64, 16, 16, 0),
        (hybrid(Head(reads="patch_tokens", pool="max")), 64, 16, 16, 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
@torch.inference_mode()
def test_agrees_with_captum(model, px: int, window: int, stride: int, target: int) -> None:
    images = torch.rand(2, 3, px, px, generator=torch.Generator().manual_seed(1))
    ours = maps(model, images, target, window, stride, ("zero",), batch=50)
    assert ours.shape == (2, 1, -(-px // stride), -(-px // stride))
    peer = Occlusion(lambda covered: select_score(model(covered).logits, target)).attribute(
        images, (3, window, window), (3, stride, stride), baselines=0.5
    )
    enlarged = ours.repeat_interleave(stride, 2).repeat_interleave(stride, 3)[..., :px, :px]
    torch.testing.assert_close(enlarged.expand_as(peer), peer, rtol=1e-3, atol=2e-6)
    assert peer.abs().max() > 1e-5  # a difference that the tolerance cannot hide


def test_crops_are_used_where_a_network_is_local_and_not_with_squeeze_and_excitation() -> None:
    def crops(arch: str) -> int:
        model = cnn(arch)
        layers, _ = occlusion._split(model)
        with torch.inference_mode():
            return len(crop_layers(layers, torch.rand(1, 3, 224, 224), list(range(0, 224, 16)), 16).crops)

    assert crops("tf_efficientnet_lite0") >= 4
    assert crops("mobilenetv3_large_100") == 3  # the stem and two stages; the third squeezes


def test_a_map_worked_by_hand() -> None:
    """A score that is the sum of one channel over the image: covering with 0 takes away what lay there."""

    class Sum(CamClassifier):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.backbone = nn.Sequential(nn.Identity())
            self.mean, self.std = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)

        def classify(self, features: Tensor) -> Tensor:
            return features[:, 0].sum((1, 2))

    model, images = Sum(), torch.zeros(1, 3, 4, 4)
    images[0, 0, 0, 0], images[0, 0, 3, 3] = 1, 5
    model.backbone.forward = lambda batch: [batch]  # type: ignore[method-assign]
    # windows of 2 px at 0, 1, 2: cell 0 is covered by one window a side, cell 1 by two
    expected = torch.tensor([[1, 0.5, 0, 0], [0.5, 0.25, 0, 0], [0, 0, 1.25, 2.5], [0, 0, 2.5, 5]])
    torch.testing.assert_close(maps(model, images, 1, 2, 1, ("zero",))[0, 0], expected)


def test_fills_are_averaged_and_mean_is_the_images_own() -> None:
    model, images = vit(), torch.rand(2, 3, 64, 64)
    kinds = ("mean", "zero", "blur", "value")
    single = [maps(model, images, 0, 32, 16, (kind,), 0.25) for kind in kinds]
    torch.testing.assert_close(maps(model, images, 0, 32, 16, kinds, 0.25), torch.stack(single).mean(0))
    assert len({float(one[0, 0, 0, 0]) for one in single}) == 4
    even = torch.full((1, 3, 64, 64), 0.3)
    for kind in ("mean", "blur"):
        assert maps(model, even, 0, 32, 16, (kind,)).abs().max() < 1e-5


def test_an_image_does_not_see_its_batch_nor_the_number_of_windows_at_once() -> None:
    model, images = cnn("test_efficientnet"), torch.rand(3, 3, 96, 96)
    together = maps(model, images, 1, 16, 8, batch=512)
    torch.testing.assert_close(together[1:2], maps(model, images[1:2], 1, 16, 8, batch=7), rtol=1e-3, atol=1e-6)


def test_flip_of_a_symmetric_network_flips_the_map_and_a_constant_model_gives_zeros() -> None:
    model = cnn("test_efficientnet")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight.data + module.weight.data.flip(-1)) / 2
            module.stride = (1, 1)
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(
        maps(model, images.flip(-1), 1, 16, 8).flip(-1), maps(model, images, 1, 16, 8), rtol=1e-3, atol=1e-6
    )
    nn.init.zeros_(model.head.weight)
    assert not maps(model, images, 1, 16, 8).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((10, 4, ("mean",)), "window_px is 10; expected a multiple of its stride_px, 4"),
        ((128, 8, ("mean",)), "of at most the tile's 64 pixels"),
        ((16, 8, ("paint",)), "fills has 'paint'"),
    ],
)
def test_refusals(settings: tuple[int, int, tuple[str, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        maps(vit(), torch.rand(1, 3, 64, 64), 0, *settings)


def test_a_crop_worked_by_hand() -> None:
    # a 3x3 convolution of stride 2, padding 1 on 16 inputs: output i sees 2i - 1 .. 2i + 1
    crop = plan_crops([0, 6, 12], 4, 16, 8, Reach(2, -1, 1))
    # inputs 0-3 change outputs 0-2, inputs 6-9 outputs 3-5, inputs 12-15 outputs 6-7 (5-7 at the common extent)
    assert (crop.changed_extent, crop.changed_starts) == (3, [0, 3, 5])
    # outputs 3-5 see 5-11, so the crop starts at 4; with 8 inputs it keeps the parity of 16
    assert (crop.extent, crop.crop_starts, crop.inside_starts) == (8, [0, 4, 8], [0, 1, 1])
