"""Where cells lie: chains worked by hand, real backbones by formula and by exchanging what a cell does not see."""

import pytest
import torch
from torch import nn

from stages.models.backbones import build_features
from stages.models.geometry import Reach, measure_reach, offset_px, refuse_uncovered
from stages.runtime.errors import InputError


def chain(*layers: tuple[int, int, int]) -> nn.Sequential:
    return nn.Sequential(*(nn.Conv2d(3, 3, kernel, stride, pad) for kernel, stride, pad in layers))


@pytest.mark.parametrize(
    ("layers", "reach"),
    [
        ([(3, 1, 1)], Reach(1, -1, 1)),
        ([(3, 2, 1)], Reach(2, -1, 1)),  # odd kernel, symmetric padding: half an input too far left
        ([(2, 2, 0)], Reach(2, 0, 1)),
        ([(3, 2, 1), (3, 2, 1)], Reach(4, -3, 3)),
        ([(5, 2, 2), (3, 1, 1), (2, 2, 0)], Reach(4, -4, 6)),
    ],
)
def test_reach_of_chains_worked_by_hand(layers: list[tuple[int, int, int]], reach: Reach) -> None:
    assert measure_reach(chain(*layers), 32) == reach


def test_a_pooling_layer_sees_all_it_pools_and_a_shortcut_nothing_more() -> None:
    class Shortcut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 3, 5, padding=2), nn.BatchNorm2d(3), nn.ReLU(inplace=True))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + self.body(images)

    network = nn.Sequential(nn.MaxPool2d(3, 2, 1), Shortcut())
    assert measure_reach(network, 32) == Reach(2, -5, 5)
    assert measure_reach(network, 32, "0") == Reach(2, -1, 1)


@pytest.mark.parametrize(
    ("arch", "stride", "px", "offset"),
    [
        ("tf_efficientnet_lite0", 16, 112, 7.5),
        ("tf_efficientnet_lite0", 32, 224, 15.5),
        (
            "tf_efficientnet_lite0",
            32,
            112,
            -0.5,
        ),  # 7 cells are odd: `same` padding is symmetric there, -8 instead of +8
        ("tf_efficientnetv2_s", 32, 224, 15.5),
        ("mobilenetv3_large_100", 32, 224, -15.5),
        ("resnet18", 32, 224, -15.5),
        ("vgg16", 16, 224, 0.0),
    ],
)
def test_offset_of_real_backbones(arch: str, stride: int, px: int, offset: float) -> None:
    assert offset_px(build_features(arch, stride, None), px, stride) == offset


@pytest.mark.parametrize(("arch", "px"), [("resnet18", 256), ("tf_efficientnet_lite0", 320), ("vgg16", 128)])
def test_a_cell_of_a_real_backbone_sees_its_reach_and_no_more(arch: str, px: int) -> None:
    torch.manual_seed(0)
    backbone = build_features(arch, 8, None).eval().double()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):  # timm starts the last of a residual block at 0, which closes its path
            nn.init.uniform_(module.weight, 0.5, 1)
    reach = measure_reach(backbone, px)
    cell = px // 16
    first, last = cell * reach.stride + reach.first, cell * reach.stride + reach.last
    assert 0 < first < last < px - 1
    image = torch.rand(1, 3, px, px, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(backbone(image)[0][0, :, cell, cell].square().sum(), image)
    seen = gradient.abs().sum((0, 1)).nonzero()
    assert seen.min().item() >= first and seen.max().item() <= last
    # random weights and ReLU close some paths at the rim: the outermost inputs that count are near it
    assert seen.min().item() <= first + reach.stride and seen.max().item() >= last - reach.stride


def test_enlarged_features_have_no_reach() -> None:
    """Of HRNet at stride 16, where neighbouring cells see the same part of a coarser branch."""
    enlarged = nn.Sequential(nn.Conv2d(3, 3, 3, 4, 1), nn.Upsample(scale_factor=2, mode="nearest"))
    with pytest.raises(ValueError, match="windows of different widths or distances, as where features are enlarged"):
        measure_reach(enlarged, 32)


def test_another_stride_than_the_known_one_is_no_offset() -> None:
    with pytest.raises(ValueError, match="its cells are 4 px apart, not 8"):
        offset_px(chain((3, 2, 1), (3, 2, 1)), 32, 8)


def test_what_mixes_places_cannot_be_followed() -> None:
    with pytest.raises(ValueError, match=r"cannot be followed|no gradient"):
        measure_reach(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(2), nn.Conv1d(8, 8, 1)), 32)


@pytest.mark.parametrize(
    ("cells", "cell_px", "px"),
    [((7, 7), 16, 112), ((4, 4), 32, 112), ((3, 3), 32, 112), ((7, 7), 16, 100), ((6, 6), 16, 100), ((1, 1), 32, 32)],
)
def test_a_map_of_all_cells_rounded_up_or_down_covers_a_tile(cells: tuple[int, int], cell_px: float, px: int) -> None:
    refuse_uncovered(cells, cell_px, px, "map")


@pytest.mark.parametrize(
    ("cells", "cell_px", "px"),
    [((7, 48), 16, 112), ((5, 5), 16, 112), ((8, 8), 16, 112), ((14, 14), 32, 224), ((0, 0), 32, 32), ((49,), 16, 112)],
)
def test_any_other_map_is_refused(cells: tuple[int, ...], cell_px: float, px: int) -> None:
    counted = " x ".join(map(str, cells))
    with pytest.raises(
        InputError, match=f"^map: {counted} cells of {cell_px} px cannot be the map of a tile of {px} px"
    ):
        refuse_uncovered(cells, cell_px, px, "map")
