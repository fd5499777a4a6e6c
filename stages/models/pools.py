"""What a head makes of its map: one score per class, by pooling the cells.

    pool(cam) + bias = logit            cam (N, K, h, w), without the bias; scores and logits (N, K)

holds exactly for each, so that the map that is shown is what the logit was made of. A mean covers a defect but loses a
small one among many good cells; a maximum finds it, and marks the most telling part of a large one alone. A pool is a
function here and a line in `POOLS`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from stages.models.settings import Head

Pool = Callable[[Tensor, Head], Tensor]


def mean(cam: Tensor, head: Head) -> Tensor:
    """Return the mean over the cells: the thesis' global average pooling (section 2.2, equation 2.1)."""
    return cam.mean(dim=(2, 3))


def maximum(cam: Tensor, head: Head) -> Tensor:
    """Return the highest cell (Oquab et al. 2015, section 3; PYLON, arXiv 2010.11475)."""
    return cam.amax(dim=(2, 3))


def top_k(cam: Tensor, head: Head) -> Tensor:
    """Return the mean over the highest `head.share` of the cells, at least one cell (WILDCAT, Durand et al. 2017)."""
    cells = cam.flatten(2)
    count = max(1, round(head.share * cells.shape[2]))
    return cells.topk(count, dim=2).values.mean(dim=2)


def log_sum_exp(cam: Tensor, head: Head) -> Tensor:
    """Return log(mean_cells exp(r cam)) / r with r = `head.sharpness` (Pinheiro & Collobert 2015, equation 6).

    Near the mean for a small r, near the maximum for a large one.
    """
    cells = cam.flatten(2) * head.sharpness
    return (cells.logsumexp(dim=2) - math.log(cells.shape[2])) / head.sharpness


def ranked(cam: Tensor, head: Head) -> Tensor:
    """Return sum_i w_i cell_(i) over the cells from the highest down, w_i = 2^(-i / (share M)) divided by their sum.

    M is the number of cells: the weight halves with every `head.share` of them, whatever the resolution. Every cell
    counts a little, as by the mean, and the highest count most (Kolesnikov & Lampert 2016, section 3.1).
    """
    cells = cam.flatten(2).sort(dim=2, descending=True).values
    ranks = torch.arange(cells.shape[2], device=cam.device, dtype=torch.float32)
    weights = torch.exp2(-ranks / (head.share * cells.shape[2]))
    return (cells * (weights / weights.sum()).to(cells.dtype)).sum(dim=2)


POOLS: dict[str, Pool] = {
    "mean": mean,
    "max": maximum,
    "top_k": top_k,
    "log_sum_exp": log_sum_exp,
    "ranked": ranked,
}
