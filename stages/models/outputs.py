"""What every classifier returns from one forward pass."""

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """The named outputs of a classifier.

    logits: (N,) float; sigmoid gives the probability that a tile is defective.
    heatmaps: (N, S, h, w) float at native resolution, one map per setting, higher = more relevant; None when no
        heatmap was asked for.
    """

    logits: Tensor
    heatmaps: Tensor | None
