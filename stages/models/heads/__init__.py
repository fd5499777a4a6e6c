"""What a classifier makes of its backbone's features: a map for each class, and logits by pooling it.

A head is a file in this folder and a line in `HEADS`. Of C channels and K neurons (1 for good / defective, else one per
class), and of features (N, C, h, w), it provides

    build(C, K) -> module             what it learns, with `weight` (K rows) and `bias` (K,) among its tensors. It draws
                                      its random numbers after the backbone, and its names stay: model.safetensors has
                                      them as `head.<name>`.
    to_map(module, features) -> cam   (N, K, h, w), without the bias, each cell where it is in the features.
    pool(cam) -> scores               (N, K), of nothing but the map: without parameters, and finite where it is.

What must hold exactly, so that the map that is shown is what the logit was made of (a test tries every head):

    pool(cam) + bias = logit

Features may come from any backbone that gives N C H W: of a ViT they are the patch tokens after the last norm. A head
whose map has other cells than the features, or that reads several feature stages, also changes `CamClassifier`, which
hands it the last stage and says how wide a cell is.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from stages.models.heads import mean


@dataclass(frozen=True)
class Head:
    """The three functions of a head."""

    build: Callable[[int, int], nn.Module]
    to_map: Callable[[nn.Module, Tensor], Tensor]
    pool: Callable[[Tensor], Tensor]


HEADS = {
    "mean": Head(mean.build, mean.to_map, mean.pool),
}
