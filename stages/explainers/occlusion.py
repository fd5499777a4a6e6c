"""Occlusion sensitivity (Zeiler & Fergus 2014, section 4.2): how much a score falls when a window is covered.

    drop[n, k]    = score(image n) - score(image n with window k covered)
    map[n, y, x]  = mean of drop[n, k] over the windows k that cover cell (y, x), and over the fills

Windows start at every multiple of `stride_px` until one reaches the far border, where it is cut off. Cells are
stride_px wide and start at the image's corner: window_px must be a multiple of stride_px, so that each window covers
whole cells and the map loses nothing. This is captum's `Occlusion` at native resolution.

What cannot change is not computed again: stage by stage a CNN (or a hybrid ViT's stem) runs on the crop of its features
that the window can have changed, plus what that crop sees (`stages.models.geometry`), and the rest is taken from the
uncovered image. From the first stage on that sees (nearly) everything, or that mixes places otherwise (squeeze and
excitation), the whole map runs. Of a ViT's last block only the tokens that are read are computed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

import torch
from timm.layers.format import nchw_to
from torch import Tensor, nn

from stages.explainers.cells import Cells
from stages.explainers.method import Method
from stages.explainers.occlusion_crops import CroppedLayers, crop_layers
from stages.explainers.settings import Time
from stages.models.attention import run_block
from stages.models.backbones import chain
from stages.models.cnn import CamClassifier
from stages.models.outputs import Outputs, Target, select_score, target_classes
from stages.models.vit import RolloutClassifier
from stages.runtime.convert import DISTINCT, FRACTION, at_least
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Occlusion:
    """What is covered, and with what; several fills are averaged."""

    window_px: Annotated[int, at_least(1)]
    stride_px: Annotated[int, at_least(1)]
    fills: Annotated[tuple[Literal["mean", "zero", "blur", "value"], ...], DISTINCT]
    value: Annotated[float, FRACTION]
    batch: Annotated[int, at_least(1)]


@torch.inference_mode()
def explain(
    model: CamClassifier | RolloutClassifier,
    images: Tensor,
    target: Target = None,
    window_px: int = 16,
    stride_px: int = 8,
    fills: tuple[str, ...] = ("mean",),
    value: float = 0.5,
    batch: int = 128,
) -> Outputs:
    """Return logits and heatmaps (N, 1, ceil(H / stride_px), ceil(W / stride_px)) of images (N, 3, H, W) in 0..1.

    Args:
        model: a CNN, or a ViT with a class token.
        images: to explain.
        target: see `stages.models.outputs.select_score`; the predicted class is that of the uncovered image.
        window_px: side of the windows, a multiple of stride_px.
        stride_px: distance of neighbouring windows, and side of a cell.
        fills: what a window is covered with: `mean` of the image's channels, `zero` (0 after normalisation: the mean
            colour of the pre-training), `blur` (the image under a Gaussian of sigma window_px / 4), `value` (a grey).
        value: that grey, 0..1.
        batch: covered images in one forward pass.

    Raises:
        InputError: window_px is no multiple of stride_px or larger than the image, or a fill is unknown.

    >>> from stages.models.cnn import CamClassifier
    >>> model = CamClassifier("test_efficientnet", 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> explain(model, torch.rand(2, 3, 64, 64), window_px=32, stride_px=16).heatmaps.shape
    torch.Size([2, 1, 4, 4])
    """
    size = images.shape[2:]
    refuse_window(window_px, stride_px, min(size))
    layers, finish = _split(model)
    starts = [range(0, length - window_px + stride_px, stride_px) for length in size]
    mean: Any = model.mean
    cropped = CroppedLayers([(images - mean) / model.std])
    if size[0] == size[1]:
        cropped = crop_layers(layers, cropped.features[0], list(starts[0]), window_px)
    rest = layers[len(cropped.layers) :]
    logits = finish(_run(rest, cropped.features[-1]))
    targets = target_classes(logits, target)
    before = select_score(logits, targets)

    windows = list(product(range(len(starts[0])), range(len(starts[1]))))
    at_once = max(1, batch // len(images))
    total = images.new_zeros(len(images), *(math.ceil(length / stride_px) for length in size))
    covered = torch.zeros_like(total[0])
    reach = window_px // stride_px
    for fill in fills:
        cover = (_fill(images, fill, window_px, value, mean) - mean) / model.std
        for first in range(0, len(windows), at_once):
            some = windows[first : first + at_once]
            corners = [(starts[0][row], starts[1][column]) for row, column in some]
            features = _run(rest, cropped.cover(cover, window_px, corners, some))
            score = select_score(finish(features), targets.repeat(len(some))).unflatten(0, (len(some), -1))
            for drop, (row, column) in zip(before - score, some, strict=True):
                total[:, row : row + reach, column : column + reach] += drop[:, None, None]
                covered[row : row + reach, column : column + reach] += 1
    return Outputs(logits, (total / covered)[:, None])


def refuse_window(window_px: int, stride_px: int, px: int) -> None:
    """Raise an `InputError` where a window is no multiple of its steps or larger than a tile of px x px."""
    if window_px % stride_px or window_px > px:
        raise InputError(
            f"params.yaml: explain.occlusion.window_px is {window_px}; expected a multiple of its stride_px, "
            f"{stride_px}, of at most the tile's {px} pixels"
        )


def _fill(images: Tensor, fill: str, window_px: int, value: float, mean: Tensor) -> Tensor:
    """Return what stands behind the windows, in 0..1 and broadcastable to the images."""
    if fill == "mean":
        return images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    if fill == "zero":
        return torch.zeros_like(images) + mean
    if fill == "value":
        return torch.full_like(images, value)
    if fill == "blur":
        sigma = window_px / 4
        reach = min(round(3 * sigma), min(images.shape[2:]) - 1)
        weights = torch.exp(
            -(torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype) ** 2) / (2 * sigma**2)
        )
        kernel = (weights / weights.sum()).expand(3, 1, 1, -1)
        padded = nn.functional.pad(images, (reach,) * 4, mode="reflect")
        return nn.functional.conv2d(nn.functional.conv2d(padded, kernel, groups=3), kernel.mT, groups=3)
    raise InputError(f"params.yaml: explain.occlusion.fills has {fill!r}; use mean, zero, blur or value")


def _split(model: CamClassifier | RolloutClassifier) -> tuple[list[nn.Module], Callable[[Tensor], Tensor]]:
    """Return the layers that may run on crops, in order, and the function that makes logits of what they give."""
    if isinstance(model, CamClassifier):
        return _layers(model.backbone), model.classify
    backbone: Any = model.backbone
    embed = backbone.patch_embed
    stem = getattr(embed, "backbone", None)

    def finish(features: Tensor) -> Tensor:
        if stem is None:
            embedded = embed(features)
        else:  # timm's HybridEmbed without its backbone
            projected = embed.proj(features)
            embedded = projected.flatten(2).transpose(1, 2) if embed.flatten else nchw_to(projected, embed.output_fmt)
        tokens = backbone.blocks[:-1](backbone.norm_pre(backbone._pos_embed(embedded)))
        return model.classify(run_block(backbone.blocks[-1], tokens, model.rows).after)

    return ([] if stem is None else _layers(stem)), finish


def _layers(network: nn.Module) -> list[nn.Module]:
    """Return what a CNN or a stem applies one after the other; where it is no chain, itself."""
    return chain(network) or [network]


def _run(layers: list[nn.Module], features: Tensor) -> Tensor:
    for layer in layers:
        features = layer(features)
    return features if isinstance(features, Tensor) else features[0]  # as timm: of several the first is the stage's


METHOD = Method(
    families=("cnn", "vit"),
    settings=Occlusion,
    refuse=lambda parameters, px: refuse_window(parameters.occlusion.window_px, parameters.occlusion.stride_px, px),
    cells=lambda _, parameters: Cells(parameters.occlusion.stride_px),
    timed_at_most=Time(warmup=1, repeats=5),
    shares=True,
    call=lambda model, images, target, parameters: explain(model, images, target, **vars(parameters.occlusion)),
)
