"""Attention rollout for the tokens that a classifier reads, many settings from one forward pass.

Rollout (Abnar & Zuidema 2020; thesis equations 1.3 and 2.2) multiplies the layers' attention matrices:

    F_l = head fusion (min, mean or max) of the attention of layer l                       (N, N)
    F_l = F_l with its k = floor(N * N * discard) smallest entries set to 0, class token -> class token excepted
    A_l = (F_l + I) / 2, rows divided by their sums
    rollout = A_L ... A_2 A_1;  heatmap = row of the class token, columns of the patches

Only the class token's row is needed, so it is multiplied from the last layer to the first: a vector times a matrix
per layer instead of a matrix times a matrix, with the same result.

A classifier that reads its patch tokens makes nothing of the last class token: where that one looked says nothing about
it. There the rows of all patches are rolled out, every patch alike, without what a patch keeps of itself:

    heatmap = mean over the patches' rows of (A_L ... A_1 - D_L ... D_1), columns of the patches

D_l holds the identity's part of A_l, normalised as A_l is. What the class token keeps of itself falls into no column
of a patch, so that there, too, the map is what attention moved; beside gradients, which may be of any scale, what
patches keep would hide the rest. Which patch counts for which class, the class map says, not rollout.

Deviations from the published code (`vit_rollout.py` of jacobgil/vit-explain on GitHub): it divides entry (i, j) by the
sum of row j instead of row i (`normalise="published"` does that); it discards in the first image of a batch only (here
in every image); among equal attentions at the threshold it keeps an arbitrary part (here none); it divides the map by
its maximum (here not, scoring does its own scaling).
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

FUSIONS: dict[str, Callable[..., Tensor]] = {"min": torch.amin, "mean": torch.mean, "max": torch.amax}
CACHED_ENTRIES = 1_600_000  # of masked matrices at a time on a CPU, 6.4 MB in float32


@dataclass(frozen=True)
class Setting:
    """One way to roll attention out."""

    fusion: str  # min | mean | max over the heads
    discard: float  # share of each layer's entries, the smallest ones, that become 0: 0 <= discard < 1

    @property
    def name(self) -> str:
        """Return e.g. `mean_0.9`."""
        return f"{self.fusion}_{self.discard:g}"


def settings_grid(fusions: tuple[str, ...], discards: tuple[float, ...]) -> tuple[Setting, ...]:
    """Return every fusion x every discard ratio, fusions outermost."""
    return tuple(Setting(fusion, discard) for fusion, discard in product(fusions, discards))


def fuse_heads(attention: Tensor, fusion: str) -> Tensor:
    """Fuse attention (B, heads, N, N) over its heads to (B, N, N); `fusion` is a key of `FUSIONS`."""
    return FUSIONS[fusion](attention, dim=1)


def discard_thresholds(fused: Tensor, discards: tuple[float, ...]) -> Tensor:
    """Return the value that an entry of a fused attention matrix must exceed to be kept, for each discard ratio.

    It is the k-th smallest entry with k = floor(N * N * discard), and minus infinity for k = 0. One sort of the
    matrix serves all ratios, one partition a single ratio: NumPy's use wide vector instructions where torch's sort and
    kthvalue, and NumPy's own partition by several ranks (six times as slow as its sort), do not.

    Args:
        fused: (B, N, N).
        discards: D ratios, each 0 <= discard < 1.

    Returns:
        (B, D) of the type of `fused`.
    """
    flat = fused.flatten(1)
    counts = [int(flat.shape[1] * discard) for discard in discards]
    ranks = sorted({count - 1 for count in counts if count > 0})
    thresholds = flat.new_full((len(flat), len(discards)), -torch.inf)
    if not ranks:
        return thresholds
    if flat.device.type == "cpu" and flat.dtype == torch.float32:
        entries = flat.detach().numpy()
        ordered = np.partition(entries, ranks, axis=1) if len(ranks) == 1 else np.sort(entries, axis=1)
        values = torch.from_numpy(ordered[:, ranks])
    else:
        values = flat.sort(dim=1).values[:, ranks]
    for column, count in enumerate(counts):
        if count > 0:
            thresholds[:, column] = values[:, ranks.index(count - 1)]
    return thresholds


@torch.no_grad()
def rollout(
    fused: dict[str, list[Tensor]],
    settings: tuple[Setting, ...],
    normalise: str = "rows",
    patches_from: int | None = None,
) -> Tensor:
    """Roll the attention of the class token, or of the patches, out for every setting.

    Args:
        fused: fusion -> attention of each layer, first to last, fused over heads, each (B, N, N), rows summing to at
            most the number of heads; token 0 is the class token. The last one may hold the class token's row alone,
            (B, 1, N), where nothing is discarded and rows are normalised: no other is read.
        settings: the S settings; their fusions must be keys of `fused`.
        normalise: `rows` (the formula) or `published` (see the module's text).
        patches_from: the place of the first patch among the tokens, where the patches are read; the last layer is then
            (B, N, N). None: the class token is read.

    Returns:
        (B, S, N - 1): attention to every token but the class token. With `rows` and no discard, each map of the class
        token and its share of itself sum to 1. No gradient flows through it.
    """
    last = next(iter(fused.values()))[-1]
    result = last.new_empty(last.shape[0], len(settings), last.shape[2] - 1)
    for fusion in dict.fromkeys(setting.fusion for setting in settings):
        layers = fused[fusion]
        columns = [column for column, setting in enumerate(settings) if setting.fusion == fusion]
        discards = tuple(settings[column].discard for column in columns)
        rows = last.new_zeros(last.shape[0], len(columns), last.shape[1])
        unmoved = None
        if patches_from is None:
            rows[..., 0] = 1  # the class token's row of the identity matrix
        else:
            unmoved = _mean_of_patches(rows, patches_from)
        thresholds = _thresholds_of_layers(layers, discards)
        with torch.autocast(last.device.type, enabled=False):
            for attention, limits in zip(reversed(layers), reversed(thresholds), strict=True):
                rows = _multiply_by_layer(rows, attention, limits, discards, normalise, unmoved)
        result[:, columns] = rows[..., 1:]
    return result


def roll_relevance(layers: Iterable[Tensor], patches_from: int | None = None) -> Tensor:
    """Roll the relevance of the layers' attention out for the class token, or the patches; rows are not normalised.

        C_l = mean over heads of max(0, relevance of layer l);  row of the class token of (I + C_L) ... (I + C_1)
        or the mean over the patches' rows of (I + C_L) ... (I + C_1) - I

    Args:
        layers: last to first, each (B, heads, N, N); the last layer may hold the class token's row alone,
            (B, heads, 1, N).
        patches_from: see `rollout`.

    Returns:
        (B, 1, N - 1): relevance of every token but the class token.
    """
    row = unmoved = None
    for relevance in layers:
        fused = relevance.clamp(min=0).mean(dim=1)
        if row is None:
            row = fused.new_zeros(len(fused), 1, fused.shape[2])
            if patches_from is None:
                row[..., 0] = 1
            else:
                unmoved = _mean_of_patches(row, patches_from)
        with torch.autocast(row.device.type, enabled=False):
            moving = row if unmoved is None else row + unmoved
            row = row + moving[..., : fused.shape[1]] @ fused
    assert row is not None  # a ViT has blocks
    return row[..., 1:]


def _mean_of_patches(rows: Tensor, patches_from: int) -> Tensor:
    """Return, of the shape of rows (..., N), the mean of the patches' rows of the identity matrix."""
    mean = torch.zeros_like(rows)
    mean[..., patches_from:] = 1 / (rows.shape[-1] - patches_from)
    return mean


def _thresholds_of_layers(layers: list[Tensor], discards: tuple[float, ...]) -> list[Tensor]:
    """Return `discard_thresholds` of each layer; on a CPU in threads, since NumPy's partition uses one core."""
    threads = torch.get_num_threads()
    if not any(discards) or threads == 1 or layers[0].device.type != "cpu":
        return [discard_thresholds(layer, discards) for layer in layers]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda layer: discard_thresholds(layer, discards), layers))


def _multiply_by_layer(
    rows: Tensor,
    attention: Tensor,
    limits: Tensor,
    discards: tuple[float, ...],
    normalise: str,
    unmoved: Tensor | None,
) -> Tensor:
    """Return rows (B, S, R) of all settings times the layer's normalised (kept attention + I) / 2, (B, S, N).

    attention: (B, R, N), R = N or 1; limits: (B, S) what kept entries exceed. Dividing by the row sums cancels the 1/2.
    unmoved: (B, S, N) what patches still keep of themselves, which is not in `rows`; changed in place.
    """
    result = rows.new_empty(*rows.shape[:2], attention.shape[2])
    whole = [column for column, discard in enumerate(discards) if discard == 0]
    if whole:
        sums = attention.sum(dim=2)[:, None] + 1
        still = None if unmoved is None else unmoved[:, whole]
        result[:, whole] = _multiply(rows[:, whole], attention, sums, normalise, still)
        if unmoved is not None:
            unmoved[:, whole] /= sums
    cut = [column for column, discard in enumerate(discards) if discard > 0]
    if not cut:
        return result
    # A few images at a time: the masked matrices of all settings then stay in the processor's cache. The mask is
    # computed as 0 and 1 in the matrices' own type, into memory allocated once: torch.where takes thirty times as long.
    count = max(1, CACHED_ENTRIES // (len(cut) * attention[0].numel())) if rows.device.type == "cpu" else len(rows)
    memory = attention.new_empty(min(count, len(rows)), len(cut), *attention.shape[1:])
    for start in range(0, len(rows), count):
        part = slice(start, start + count)
        matrix = attention[part, None]
        kept = memory[: len(matrix)]
        torch.gt(matrix, limits[part][:, cut, None, None], out=kept)
        kept.mul_(matrix)
        kept[..., 0, 0] = matrix[..., 0, 0]
        sums = kept.sum(dim=3) + 1
        still = None if unmoved is None else unmoved[part][:, cut, None]
        result[part, cut] = _multiply(rows[part][:, cut, None], kept, sums[:, :, None], normalise, still)[:, :, 0]
        if unmoved is not None:
            unmoved[part, cut] /= sums
    return result


def _multiply(rows: Tensor, attention: Tensor, sums: Tensor, normalise: str, unmoved: Tensor | None) -> Tensor:
    """Return rows (..., S, R) times (attention (..., R, N) + I) divided by its row sums (..., 1, R).

    What is in `unmoved`, of the shape of `rows`, goes through the attention alone: what it keeps stays there.
    """
    scaled = rows if normalise == "published" else rows / sums
    moving = scaled if unmoved is None else (rows + unmoved if normalise == "published" else (rows + unmoved) / sums)
    result = moving @ attention
    result[..., : rows.shape[-1]] += scaled
    return result / sums if normalise == "published" else result
