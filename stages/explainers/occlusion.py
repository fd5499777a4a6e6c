"""Occlusion sensitivity (Zeiler & Fergus 2014, section 4.2): how much a score falls when a window is covered.

    drop[n, k]    = score(image n) - score(image n with window k covered)
    map[n, y, x]  = mean of drop[n, k] over the windows k that cover cell (y, x), and over the fills

Windows start at every multiple of `stride_px` until one reaches the far border, where it is cut off. Cells are
stride_px wide and start at the image's corner: window_px must be a multiple of stride_px, so that each window covers
whole cells and the map loses nothing. This is captum's `Occlusion` at native resolution.

What cannot change is not computed again: stage by stage a CNN (or a hybrid ViT's stem) runs on the crop of its features
that the window can have changed, plus what that crop sees (`stages.models.geometry`), and the rest is taken from the
uncovered image. From the first stage on that sees (nearly) everything, or that mixes places otherwise (squeeze and
excitation), the whole map runs. Of a ViT's last block only the class token is computed.
"""

from typing import Any

import torch
from timm.layers.format import nchw_to
from torch import Tensor, nn

from stages.explainers.crops import Crop, plan_crops
from stages.models.backbones import chain
from stages.models.class_token import logits_of_last_block, tokens_before_last_block
from stages.models.cnn import CamClassifier
from stages.models.geometry import measure_reach
from stages.models.outputs import Outputs, Target, select_score, target_classes
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError

WORTHWHILE = 0.7  # crops of more than this share of a map cost more to cut out than they save


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
        target: see `stages.models.outputs.select_score`; the predicted class is that of the uncovered image.
        fills: what a window is covered with: `mean` of the image's channels, `zero` (0 after normalisation: the mean
            colour of the pre-training), `blur` (the image under a Gaussian of sigma window_px / 4), `value` (a grey).
        value: that grey, 0..1.
        batch: covered images in one forward pass.

    Raises:
        InputError: window_px is no multiple of stride_px or larger than the image, or a fill is unknown.
    """
    height, width = images.shape[2:]
    refuse_window(window_px, stride_px, min(height, width))
    normalised = (images - model.mean) / model.std  # type: ignore[operator]
    layers, finish = _parts(model)
    features = [normalised]
    steps: list[Crop] = []
    starts = [_starts(length, window_px, stride_px) for length in (height, width)]
    if height == width:
        features, steps = _cropped_stages(layers, normalised, starts[0], window_px)
    rest = layers[len(steps) :]
    logits = finish(_run(rest, features[-1]))
    targets = target_classes(logits, target)
    before = select_score(logits, targets)
    mean: Any = model.mean

    windows = torch.cartesian_prod(*(torch.arange(len(axis)) for axis in starts)).tolist()
    at_once = max(1, batch // len(images))
    total = images.new_zeros(len(images), *(_cells(length, stride_px) for length in (height, width)))
    covered = torch.zeros_like(total[0])
    reach = window_px // stride_px
    for fill in fills:
        cover = (_fill(images, fill, window_px, value, mean) - mean) / model.std
        for first in range(0, len(windows), at_once):
            chosen = windows[first : first + at_once]
            changed = _run(rest, _covered_features(features, steps, layers, cover, chosen, starts, window_px))
            score = select_score(finish(changed), targets.repeat(len(chosen))).unflatten(0, (len(chosen), -1))
            for drop, (row, column) in zip(before - score, chosen, strict=True):
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


def _starts(length: int, window: int, stride: int) -> list[int]:
    return [stride * index for index in range(-((window - length) // stride) + 1)]


def _cells(length: int, stride: int) -> int:
    return -(-length // stride)


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


def _parts(model: CamClassifier | RolloutClassifier) -> tuple[list[nn.Module], Any]:
    """Return the layers that may run on crops, in order, and the function that makes logits of what they give."""
    if isinstance(model, CamClassifier):
        layers = chain(model.backbone)
        return layers or [_Features(model.backbone)], model.classify
    embed: Any = model.backbone.patch_embed
    stem = getattr(embed, "backbone", None)

    def finish(features: Tensor) -> Tensor:
        if stem is None:
            embedded = embed(features)
        else:  # timm's HybridEmbed without its backbone
            projected = embed.proj(features)
            embedded = projected.flatten(2).transpose(1, 2) if embed.flatten else nchw_to(projected, embed.output_fmt)
        tokens = tokens_before_last_block(model, embedded)
        return logits_of_last_block(model, tokens, model.backbone.blocks[-1].norm1(tokens))

    return ([] if stem is None else chain(stem) or [_Features(stem)]), finish


class _Features(nn.Module):
    """A backbone that is no chain, as one layer."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        features = self.backbone(images)  # of stems inside timm's own hybrids a tensor, else a list of stages
        return features[-1] if isinstance(features, list | tuple) else features


def _run(layers: list[nn.Module], features: Tensor) -> Tensor:
    for layer in layers:
        features = layer(features)
    return features if isinstance(features, Tensor) else features[0]  # as timm: of several the first is the stage's


def _cropped_stages(
    layers: list[nn.Module], normalised: Tensor, starts: list[int], window_px: int
) -> tuple[list[Tensor], list[Crop]]:
    """Return the uncovered images' features before each cropped layer and after the last, and the crops."""
    features, steps = [normalised], []
    place, extent = starts, window_px
    for layer in layers:
        length = features[-1].shape[2]
        try:
            reach = measure_reach(layer, length)
        except ValueError:
            break
        output = layer(features[-1])
        if not isinstance(output, Tensor):  # a layer that hands several features on
            break
        step = plan_crops(place, extent, length, output.shape[2], reach)
        if step.extent > length * WORTHWHILE**0.5 or not _is_local(layer, features[-1][:1], output[:1], reach):
            break
        features.append(output)
        steps.append(step)
        place, extent = step.changed_starts, step.changed_extent
    return features, steps


def _is_local(layer: nn.Module, features: Tensor, output: Tensor, reach: Any) -> bool:
    """Return whether a cell keeps its value when everything that it cannot see is exchanged."""
    cell, length = output.shape[2] // 2, features.shape[2]
    first, last = (max(0, min(length, cell * reach.stride + edge)) for edge in (reach.first, reach.last + 1))
    exchanged = features.flip(0, 2, 3) * 2 + 1
    exchanged[:, :, first:last, first:last] = features[:, :, first:last, first:last]
    there, here = layer(exchanged)[..., cell, cell], output[..., cell, cell]
    return torch.allclose(there, here, rtol=1e-4, atol=1e-5 * float(output.abs().max()))


def _covered_features(
    features: list[Tensor],
    steps: list[Crop],
    layers: list[nn.Module],
    cover: Tensor,
    chosen: list[list[int]],
    starts: list[list[int]],
    window_px: int,
) -> Tensor:
    """Return the features after the cropped layers for each chosen window and image, windows outermost."""
    images = features[0]
    tops, lefts = ([axis[window[number]] for window in chosen] for number, axis in enumerate(starts))
    if not steps:
        whole = images.repeat(len(chosen), 1, 1, 1).unflatten(0, (len(chosen), -1))
        for picture, top, left in zip(whole, tops, lefts, strict=True):
            place = (..., slice(top, top + window_px), slice(left, left + window_px))
            picture[place] = cover[place]
        return whole.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    patches: Tensor | None = None
    for base, layer, step in zip(features, layers, steps, strict=False):
        crops = _cut(base, step.crop_starts, step.extent, chosen)
        for number, (crop, (row, column)) in enumerate(zip(crops, chosen, strict=True)):
            if patches is None:  # a window of the image; cut off where it reaches beyond
                end = (tops[number] + window_px, lefts[number] + window_px)
                place = (..., slice(tops[number], end[0]), slice(lefts[number], end[1]))
                piece, above, left = cover[place], tops[number], lefts[number]
            else:
                piece, above, left = patches[number], step.starts[row], step.starts[column]
            above, left = above - step.crop_starts[row], left - step.crop_starts[column]
            crop[..., above : above + piece.shape[-2], left : left + piece.shape[-1]] = piece
        ran = layer(crops.flatten(0, 1).contiguous(memory_format=torch.channels_last)).unflatten(0, (len(chosen), -1))
        inside = step.inside_starts
        patches = torch.stack(
            [
                one[
                    ...,
                    inside[row] : inside[row] + step.changed_extent,
                    inside[column] : inside[column] + step.changed_extent,
                ]
                for one, (row, column) in zip(ran, chosen, strict=True)
            ]
        )
    assert patches is not None
    whole = features[-1].repeat(len(chosen), 1, 1, 1).unflatten(0, (len(chosen), -1))
    last = steps[-1]
    for picture, patch, (row, column) in zip(whole, patches, chosen, strict=True):
        above, left = last.changed_starts[row], last.changed_starts[column]
        picture[..., above : above + last.changed_extent, left : left + last.changed_extent] = patch
    return whole.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _cut(base: Tensor, crop_starts: list[int], extent: int, chosen: list[list[int]]) -> Tensor:
    return torch.stack(
        [
            base[..., crop_starts[row] : crop_starts[row] + extent, crop_starts[column] : crop_starts[column] + extent]
            for row, column in chosen
        ]
    )
