"""Features of images of which a window is covered, from those of the whole images and a crop around the window."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stages.models.geometry import Reach, measure_reach

WORTHWHILE = 0.7  # crops of more than this share of a map cost more to cut out than they save

Corner = tuple[int, int]  # row and column of the upper left corner


@dataclass(frozen=True)
class Crop:
    """What runs again of a layer when a window changed, along one axis.

    Lists have one entry per window position; extents are the same for all.
    """

    crop_starts: list[int]  # of the crop that runs, a multiple of the layer's stride
    extent: int  # of the crop
    inside_starts: list[int]  # of what changed, in the crop's output
    changed_starts: list[int]  # of what changed, in the layer's output
    changed_extent: int


@dataclass(frozen=True)
class CroppedLayers:
    """The first layers of a network, as far as crops save work, and what they make of the uncovered images."""

    features: list[Tensor]  # (N, C, h, w) the images, then the output of each layer
    layers: list[nn.Module] = field(default_factory=list)
    crops: list[Crop] = field(default_factory=list)  # of each layer

    def cover(self, cover: Tensor, extent: int, corners: Sequence[Corner], windows: Sequence[Corner]) -> Tensor:
        """Return the last features with one window covered, (windows x N, C, h, w), windows outermost.

        Args:
            cover: (N, C, H, W) what stands in the windows.
            extent: of a window, in pixels.
            corners: of the windows, in pixels; a window that reaches beyond the image is cut off.
            windows: their positions along either axis, as the crops count them.
        """
        patches = [cover[_square(corner, extent)] for corner in corners]
        for layer, crop, before in zip(self.layers, self.crops, self.features, strict=False):
            crop_corners = _at(crop.crop_starts, windows)
            inputs = torch.stack([before[_square(corner, crop.extent)] for corner in crop_corners])
            pairs = zip(corners, crop_corners, strict=True)
            _paste(inputs, patches, [(top - row, left - column) for (top, left), (row, column) in pairs])
            outputs = layer(_flat(inputs)).unflatten(0, (len(windows), -1))
            changed = [_square(corner, crop.changed_extent) for corner in _at(crop.inside_starts, windows)]
            patches = [output[place] for output, place in zip(outputs, changed, strict=True)]
            corners = _at(crop.changed_starts, windows)
        whole = self.features[-1].repeat(len(windows), 1, 1, 1).unflatten(0, (len(windows), -1))
        _paste(whole, patches, corners)
        return _flat(whole)


def crop_layers(layers: Sequence[nn.Module], images: Tensor, starts: list[int], window_px: int) -> CroppedLayers:
    """Run the first layers on uncovered images, up to the one that crops of save nothing, or that crops would change.

    Args:
        layers: of a network, in order.
        images: (N, C, H, H) normalised.
        starts: of the windows along either axis, in pixels.
        window_px: their extent.
    """
    cropped = CroppedLayers([images])
    for layer in layers:
        before = cropped.features[-1]
        length = before.shape[2]
        try:
            reach = measure_reach(layer, length)
        except ValueError:
            break
        output = layer(before)
        if not isinstance(output, Tensor):  # a layer that hands several features on
            break
        crop = plan_crops(starts, window_px, length, output.shape[2], reach)
        if crop.extent > length * WORTHWHILE**0.5 or not _is_local(layer, before[:1], output[:1], reach):
            break
        cropped.features.append(output)
        cropped.layers.append(layer)
        cropped.crops.append(crop)
        starts, window_px = crop.changed_starts, crop.changed_extent
    return cropped


def plan_crops(starts: list[int], changed: int, length: int, output_length: int, reach: Reach) -> Crop:
    """Plan one layer.

    A crop holds all that the changed outputs see, or ends where the image ends, so that padding falls where it falls
    on the whole. Its extent leaves the same remainder by the stride as the whole: `same` padding depends on it.

    Args:
        starts: of the windows that changed in the layer's input; one that reaches beyond the input is cut off.
        changed: their extent.
        length, output_length: of the layer's whole input and output.
        reach: what each output sees.
    """
    stride = reach.stride
    ends = [min(start + changed, length) - 1 for start in starts]
    low = [max(0, -((reach.last - start) // stride)) for start in starts]
    high = [min(output_length - 1, (end - reach.first) // stride) for end in ends]
    extent_out = max(1, *(last - first + 1 for first, last in zip(low, high, strict=True)))
    changed_starts = [max(0, min(first, output_length - extent_out)) for first in low]
    needed = [
        (
            max(0, min(start, stride * out + reach.first)),
            min(length - 1, max(end, stride * (out + extent_out - 1) + reach.last)),
        )
        for start, end, out in zip(starts, ends, changed_starts, strict=True)
    ]
    crop_starts = [first // stride * stride for first, _ in needed]
    extent = max(last - start + 1 for start, (_, last) in zip(crop_starts, needed, strict=True))
    extent = min(length, extent + (length - extent) % stride)
    crop_starts = [min(start, length - extent) for start in crop_starts]
    inside = [out - start // stride for out, start in zip(changed_starts, crop_starts, strict=True)]
    return Crop(crop_starts, extent, inside, changed_starts, extent_out)


def _is_local(layer: nn.Module, features: Tensor, output: Tensor, reach: Reach) -> bool:
    """Return whether a cell keeps its value when everything that it cannot see is exchanged."""
    cell, length = output.shape[2] // 2, features.shape[2]
    first, last = (max(0, min(length, cell * reach.stride + edge)) for edge in (reach.first, reach.last + 1))
    exchanged = features.flip(0, 2, 3) * 2 + 1
    exchanged[:, :, first:last, first:last] = features[:, :, first:last, first:last]
    there, here = layer(exchanged)[..., cell, cell], output[..., cell, cell]
    return torch.allclose(there, here, rtol=1e-4, atol=1e-5 * float(output.abs().max()))


def _at(starts: list[int], windows: Sequence[Corner]) -> list[Corner]:
    return [(starts[row], starts[column]) for row, column in windows]


def _square(corner: Corner, extent: int) -> tuple:
    row, column = corner
    return (..., slice(row, row + extent), slice(column, column + extent))


def _paste(pictures: Tensor, patches: Sequence[Tensor], corners: Sequence[Corner]) -> None:
    for picture, patch, (row, column) in zip(pictures, patches, corners, strict=True):
        picture[..., row : row + patch.shape[-2], column : column + patch.shape[-1]] = patch


def _flat(pictures: Tensor) -> Tensor:
    return pictures.flatten(0, 1).contiguous(memory_format=torch.channels_last)
