"""Where the cells of a map lie in the image, and what those of a convolutional network see of it.

Padding moves them. With kernels of odd width k and stride 2, PyTorch's symmetric padding puts the centre of what a cell
sees half an input pixel to the left of and above the cell's place, TensorFlow's `same` padding of an even size half a
pixel to the right and below: over five such layers -15.5 and +15.5 pixels of the image (Araujo et al. 2019, "Computing
receptive fields of convolutional neural networks", give the formulas for chains of layers).

Here it is measured on a shadow of the network with the same kernels, strides and paddings but one channel, positive
weights and no activations that end gradients: the gradient of a cell is not zero exactly where the cell sees its input.
Squeeze-and-excitation lets every cell see the mean of everything; a mean has no place, so it is left out.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from stages.runtime.errors import InputError

MARGIN = 128  # the measured width grows by multiples of it: twice any stride, so each layer's input stays odd or even
LARGEST = 8192  # inputs, the widest that is tried
NEIGHBOURS = 4  # cells that must all see the same, one stride further each: where features are enlarged they do not
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.Linear)
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU)  # their gradient at 0 is 0


@dataclass(frozen=True)
class Reach:
    """Cell i of an output sees the inputs stride * i + first to stride * i + last, both included."""

    stride: int
    first: int
    last: int

    @property
    def offset(self) -> float:
        """Centre of what cell i sees, minus the nominal centre (i + 0.5) stride, in inputs."""
        return (self.first + self.last + 1 - self.stride) / 2


def refuse_uncovered(cells: Sequence[int], cell_px: float, px: int, subject: str) -> None:
    """Pass if a map covers a tile.

    The number of cells is px / cell_px rounded up, or down where a network leaves out what is less than a cell at the
    right and lower border; anything else means that features do not lie where their cells are painted.

    Args:
        cells: (rows, columns) of the map.
        cell_px: side of a cell in pixels of the tile.
        px: side of the tile.
        subject: what the map is of; the message begins with it.

    Raises:
        InputError: it does not.
    """
    if len(cells) != 2 or any(abs(count * cell_px - px) >= cell_px for count in cells):
        counted = " x ".join(map(str, cells))
        raise InputError(f"{subject}: {counted} cells of {cell_px:g} px cannot be the map of a tile of {px} px")


def enlarged(maps: Tensor, ratio: float, rows_columns: tuple[int, ...]) -> Tensor:
    """Enlarge maps bilinearly to cells that are `ratio` times finer and begin at the same corner.

    A map need not end where a finer one does: seven cells of 16 px cover the thirteen of 8 px of a tile of 100 px.

    Args:
        maps: (N, C, h, w).
        ratio: side of their cells divided by that of the finer ones, at least 1.
        rows_columns: of the finer map. Where it ends later, the last cells are repeated.

    Returns:
        (N, C, rows, columns).

    >>> enlarged(torch.tensor([[[[0.0, 4.0]]]]), 2, (1, 3)).tolist()
    [[[[0.0, 1.0, 3.0]]]]
    """
    rows, columns = rows_columns
    if ratio != 1:
        maps = nn.functional.interpolate(maps, scale_factor=ratio, mode="bilinear", align_corners=False)
    maps = maps[..., :rows, :columns]
    missing = rows - maps.shape[2], columns - maps.shape[3]
    return nn.functional.pad(maps, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else maps


def offset_px(backbone: nn.Module, px: int, stride: float, layer: str | None = None) -> float:
    """Return how far right of and below its place a cell of this layer's map is centred, in pixels of the image.

    Args:
        backbone: maps (N, C, px, px) to a list whose last entry is the features.
        px: side of the images: with `same` padding it matters whether a layer's input is even.
        stride: distance of the cells in pixels as it is known, which the measured one must be.
        layer: name of the module whose output is meant; None for the backbone's own.

    Raises:
        ValueError: the network cannot be followed, see `measure_reach`, or its stride is another.
    """
    reach = measure_reach(backbone, px, layer)
    if reach.stride != stride:
        raise ValueError(f"its cells are {reach.stride} px apart, not {stride:g}")
    return reach.offset


_measured: WeakKeyDictionary[nn.Module, dict[tuple[int, str | None], Reach]] = WeakKeyDictionary()


def measure_reach(module: nn.Module, length: int, layer: str | None = None) -> Reach:
    """Return the reach of a convolutional module, measured once for each input length.

    Args:
        module: maps (N, C, length, length) to (N, K, h, w), or to a list whose last entry is that.
        length: rows and columns of its input.
        layer: name of the submodule whose output is meant; None for the module's own.

    Raises:
        ValueError: the module cannot be followed: it mixes places (attention), enlarges features, or takes its
            channels apart.
    """
    known = _measured.setdefault(module, {})
    if (length, layer) not in known:
        with torch.inference_mode(False), torch.enable_grad():
            known[length, layer] = _measure(_shadow(module), length, layer)
    return known[length, layer]


def _measure(shadow: nn.Module, length: int, layer: str | None) -> Reach:
    kept: list[Tensor] = []
    if layer is not None:
        shadow.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.append(output))
    width, height = length + 2 * MARGIN, min(length, 64)  # only columns are looked at
    while width <= LARGEST:
        kept.clear()
        image = torch.zeros(1, 1, height, width, dtype=torch.float64, requires_grad=True)
        try:
            output: Any = shadow(image)
            output = kept[0] if kept else output[-1] if isinstance(output, list | tuple) else output
            row, column = output.shape[2] // 2, max(0, (output.shape[3] - NEIGHBOURS) // 2)
            seen = [_columns_seen(output[:, :, row, column + step].sum(), image) for step in range(NEIGHBOURS)]
        except Exception as error:  # each architecture fails in its own way
            reason = " ".join(str(error).split())[:160]
            raise ValueError(f"its layers cannot be followed ({type(error).__name__}: {reason})") from None
        first, last = seen[0][0], seen[-1][1]
        if first > 0 and last < width - 1:
            return _reach_of(seen, column)
        # what the cells see reaches a border, and may reach beyond: about twice as wide an image
        width += MARGIN * math.ceil(width / MARGIN)
    raise ValueError(f"a cell sees more than {LARGEST} inputs")


def _reach_of(seen: list[tuple[int, int]], column: int) -> Reach:
    """Return the reach of neighbouring cells, the first of them in this column, that see columns first to last."""
    first, last = seen[0]
    stride = seen[1][0] - first
    if stride < 1 or seen != [(first + step * stride, last + step * stride) for step in range(len(seen))]:
        raise ValueError("its cells see windows of different widths or distances, as where features are enlarged")
    return Reach(stride, first - stride * column, last - stride * column)


def _columns_seen(cell: Tensor, image: Tensor) -> tuple[int, int]:
    (gradient,) = torch.autograd.grad(cell, image, retain_graph=True)
    columns = gradient[0, 0].ne(0).any(dim=0).nonzero()
    if not len(columns):
        raise ValueError("no gradient reaches its input")
    return int(columns[0]), int(columns[-1])


def _shadow(module: nn.Module) -> nn.Module:
    """Copy a module with one channel, positive weights and no bias; it sees what the original sees."""
    shadow = copy.deepcopy(module).double().eval()
    for parent in list(shadow.modules()):
        for name, child in list(parent.named_children()):
            if (replacement := _replacement(child)) is not None:
                setattr(parent, name, replacement)
    if (replacement := _replacement(shadow)) is not None:
        return replacement
    for layer in shadow.modules():
        if isinstance(layer, nn.Conv2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1]
            layer.weight = nn.Parameter(torch.full((1, 1, *layer.kernel_size), 1 / taps, dtype=torch.float64))
            layer.bias = None
            layer.groups = layer.in_channels = layer.out_channels = 1
            layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].mean(dim=1, keepdim=True), *inputs[1:]))
    return shadow.requires_grad_(False)


def _replacement(layer: nn.Module) -> nn.Module | None:
    """Return what stands for a layer in the shadow, or None for itself."""
    if isinstance(layer, (*NORMS, *RECTIFIERS)):
        return nn.Identity()
    if not isinstance(layer, nn.MaxPool2d):
        return None
    if type(layer) is not nn.MaxPool2d:
        raise ValueError(f"{type(layer).__name__} pads in its own way")
    # sees the same inputs; of equal ones a maximum hands its gradient to a single one
    return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
