"""Attention rollout for the class token, many settings from one forward pass.

Rollout (Abnar & Zuidema 2020; thesis equations 1.3 and 2.2) multiplies the layers' attention matrices:

    F_l = head fusion (min, mean or max) of the attention of layer l                       (N, N)
    F_l = F_l with its k = floor(N * N * discard) smallest entries set to 0, class token -> class token excepted
    A_l = (F_l + I) / 2, rows divided by their sums
    rollout = A_L ... A_2 A_1;  heatmap = row of the class token, columns of the patches

Only the class token's row is needed, so it is multiplied from the last layer to the first: a vector times a matrix
per layer instead of a matrix times a matrix, with the same result.

Deviations from the published code (facts: vit-explain): it divides entry (i, j) by the sum of row j instead of row i
(`normalise="published"` does that); it discards in the first image of a batch only (here in every image); among equal
attentions at the threshold it keeps an arbitrary part (here none); it divides the map by its maximum (here not, scoring
does its own scaling).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Setting:
    """One way to roll attention out: head fusion `min | mean | max` and discard ratio 0 <= discard < 1."""

    fusion: str
    discard: float

    @property
    def name(self) -> str:
        """Return e.g. `mean_0.9`."""
        return f"{self.fusion}_{self.discard:g}"


def settings_grid(fusions: tuple[str, ...], discards: tuple[float, ...]) -> tuple[Setting, ...]:
    """Return every fusion x every discard ratio, fusions outermost."""
    return tuple(Setting(fusion, discard) for fusion, discard in product(fusions, discards))


def fuse_heads(attention: Tensor, fusion: str) -> Tensor:
    """Fuse attention (B, heads, N, N) over its heads to (B, N, N)."""
    if fusion == "mean":
        return attention.mean(dim=1)
    if fusion == "max":
        return attention.amax(dim=1)
    if fusion == "min":
        return attention.amin(dim=1)
    raise ValueError(f"unknown fusion {fusion!r}")


def discard_thresholds(fused: Tensor, discards: tuple[float, ...]) -> Tensor:
    """Return (B, len(discards)) the value that an entry of fused (B, N, N) must exceed to be kept.

    It is the k-th smallest entry with k = floor(N * N * discard), and minus infinity for k = 0. One partition of the
    matrix serves all ratios. NumPy's partition uses wide vector instructions where torch's sort and kthvalue do not.
    """
    batch, tokens, _ = fused.shape
    counts = [int(tokens * tokens * discard) for discard in discards]
    thresholds = torch.full((batch, len(discards)), -torch.inf, dtype=fused.dtype, device=fused.device)
    ranks = sorted({count - 1 for count in counts if count > 0})
    if not ranks:
        return thresholds
    flat = fused.reshape(batch, -1)
    if fused.device.type == "cpu" and fused.dtype == torch.float32:
        values = torch.from_numpy(np.partition(flat.detach().numpy(), ranks, axis=1)[:, ranks])
    else:
        values = flat.sort(dim=1).values[:, ranks]
    for column, count in enumerate(counts):
        if count > 0:
            thresholds[:, column] = values[:, ranks.index(count - 1)]
    return thresholds


def rollout(fused: dict[str, list[Tensor]], settings: tuple[Setting, ...], normalise: str = "rows") -> Tensor:
    """Roll the class token's attention out for every setting.

    Args:
        fused: fusion -> attention of each layer, first to last, fused over heads, each (B, N, N), rows summing to at
            most the number of heads; token 0 is the class token.
        settings: the S settings; their fusions must be keys of `fused`.
        normalise: `rows` (the formula) or `published` (see the module's text).

    Returns:
        (B, S, N - 1): attention of the class token to every other token. With `rows` and no discard, each map and the
        class token's share of itself sum to 1.
    """
    by_fusion: dict[str, list[int]] = {}
    for index, setting in enumerate(settings):
        by_fusion.setdefault(setting.fusion, []).append(index)
    batch, tokens, _ = next(iter(fused.values()))[0].shape
    example = next(iter(fused.values()))[0]
    result = example.new_empty(batch, len(settings), tokens - 1)
    for fusion, indices in by_fusion.items():
        discards = tuple(settings[index].discard for index in indices)
        rows = example.new_zeros(batch, len(indices), 1, tokens)
        rows[..., 0] = 1
        for attention in reversed(fused[fusion]):
            thresholds = discard_thresholds(attention, discards)
            for column, discard in enumerate(discards):
                kept = attention if discard == 0 else _keep_above(attention, thresholds[:, column])
                rows[:, column] = _step(rows[:, column], kept, normalise)
        result[:, indices] = rows[:, :, 0, 1:]
    return result


def _keep_above(attention: Tensor, threshold: Tensor) -> Tensor:
    kept = torch.where(attention > threshold[:, None, None], attention, 0)
    kept[:, 0, 0] = attention[:, 0, 0]
    return kept


def _step(row: Tensor, attention: Tensor, normalise: str) -> Tensor:
    """Return row (B, 1, N) times the normalised (attention + I) / 2; the halves cancel in the row sums."""
    sums = attention.sum(dim=2).unsqueeze(1) + 1
    if normalise == "published":
        return (torch.bmm(row, attention) + row) / sums
    scaled = row / sums
    return torch.bmm(scaled, attention) + scaled
