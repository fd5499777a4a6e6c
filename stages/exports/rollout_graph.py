"""Attention rollout for one setting in operations that a graph can hold: no sort in NumPy, no memory written in place.

The same values as `stages.models.rollout.rollout`, which says the formula and serves many settings at once.
"""

import torch
from torch import Tensor

from stages.models.rollout import Setting


def roll_out(layers: list[Tensor], setting: Setting, normalise: str) -> Tensor:
    """Return the attention of the class token to every other token, (B, N - 1).

    Args:
        layers: first to last, attention fused over heads by the setting's fusion, each (B, N, N). The last may hold the
            class token's row alone, (B, 1, N), where nothing is discarded and rows are normalised.
        setting: its discard ratio is applied.
        normalise: rows | published, see `stages.models.rollout`.
    """
    tokens = layers[0].shape[2]
    itself = torch.eye(tokens)[:1]  # the class token's row of the identity matrix
    row = None
    for attention in reversed(layers):
        kept = keep_largest(attention, setting.discard)
        read = kept[:, :1] if row is None else kept  # in the last layer the class token's row alone is read
        sums = (kept if normalise == "published" else read).sum(dim=2)[:, None] + 1
        if normalise == "published":
            row = (read + itself if row is None else row @ read + row) / sums
        else:
            row = (read + itself) / sums if row is None else (row / sums) @ read + row / sums
    assert row is not None  # a ViT has blocks
    return row[:, 0, 1:]


def keep_largest(attention: Tensor, discard: float) -> Tensor:
    """Return fused attention (B, N, N) with its floor(N N discard) smallest entries of each image set to 0.

    Entries equal to the largest of those are set to 0 as well, so that ties do not depend on their order; the class
    token's attention to itself, entry (0, 0), stays. The threshold is the k-th smallest entry, or, the same value, the
    (n - k + 1)-th largest: whichever has to look at fewer.
    """
    rows, columns = attention.shape[1:]
    entries, count = rows * columns, int(rows * columns * discard)
    if count == 0:
        return attention
    flat, others = attention.flatten(1), entries - count + 1
    if count <= others:
        threshold = flat.topk(count, dim=1, largest=False, sorted=False).values.amax(dim=1)
    else:
        threshold = flat.topk(others, dim=1, largest=True, sorted=False).values.amin(dim=1)
    corner = torch.zeros(1, rows, columns, dtype=torch.bool)
    corner[0, 0, 0] = True
    return torch.where((attention > threshold[:, None, None]) | corner, attention, 0.0)
