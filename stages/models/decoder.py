"""Features finer than the last stage's: a top-down decoder over a CNN's feature stages.

    top_L = relu(n_L(f_L))                          f_1 ... f_L: the stages, fine to coarse
    top_i = relu(n_i(f_i) + up(top_(i+1)))          n_i: 1x1 convolution to `width` channels, batch normalisation
                                                    up: bilinear, to the cells of f_i where those lie

top_1 is what the head reads. Only 1x1 convolutions: a cell sees what its stages see at its place, and nothing is
smeared over its neighbours. After PYLON (Preechakul et al. 2022, arXiv 2010.11475, section 3), which adds attention at
the coarsest stage and upsamples once more.
"""

from itertools import pairwise
from typing import Any

from timm.models import FeatureInfo
from torch import Tensor, nn

from stages.models.geometry import enlarged


class TopDown(nn.Module):
    """Feature stages, fine to coarse, (N, C_i, h_i, w_i) -> (N, width, h_1, w_1).

    Args:
        channels: C_i.
        strides: sides of their cells, in pixels of the image: four cells of 32 px reach beyond the seven of 16 px of an
            image of 112 px.
        width: channels of the result.
    """

    def __init__(self, channels: list[int], strides: list[int], width: int) -> None:
        super().__init__()
        self.ratios = [coarser / finer for finer, coarser in pairwise(strides)]
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, width, kernel_size=1, bias=False), nn.BatchNorm2d(width))
            for count in channels
        )

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Return the features at the cells of the finest stage."""
        *finer, coarsest = zip(self.lateral, stages, strict=True)
        top = _activated(*coarsest)
        for (lateral, stage), ratio in zip(reversed(finer), reversed(self.ratios), strict=True):
            top = (lateral(stage) + enlarged(top, ratio, stage.shape[2:])).relu()
        return top


class Pyramid(nn.Module):
    """A timm network that returns several stages, and the decoder on it; returns a list of one, as timm's networks."""

    def __init__(self, stages: Any, width: int) -> None:
        super().__init__()
        self.stages = stages
        self.decoder = TopDown(stages.feature_info.channels(), stages.feature_info.reduction(), width)
        finest = {"num_chs": width, "reduction": stages.feature_info.reduction()[0], "module": "decoder"}
        self.feature_info = FeatureInfo([finest], (0,))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return [(N, width, h, w)] of normalised images (N, 3, H, W)."""
        return [self.decoder(self.stages(images))]


def _activated(lateral: nn.Module, stage: Tensor) -> Tensor:
    features: Tensor = lateral(stage).relu()
    return features
