"""Early features of a classifier, heard during a forward pass that is made anyway: what good material looks like.

    f_s = features of stride s, averaged over 3 x 3 cells (beyond the border zeros count)
    features = the f_s side by side, coarser ones enlarged bilinearly to the grid of the finest

PatchCore (Roth et al. 2022, section 3.1): features of the middle of a network are neither mere edges nor the classes
that it was trained for, and averaged neighbourhoods forgive small shifts. Deviation: the paper's code averages each
neighbourhood over channels, too, to a number of channels of its own.

Zeros count because a mean of fewer cells varies more: without them 93% of the highest distances on magnetic tiles were
at the border, where a quarter of the cells are.

Which layers: of a CNN, and of the CNN that a hybrid ViT reads, the two coarsest feature stages of at most 16 px per
cell, as a rule those of strides 8 and 16, the paper's. Of a ViT that reads patches the tokens after half and after
three quarters of its blocks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stages.models.backbones import stage_names
from stages.models.geometry import enlarged
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.errors import InputError

COARSEST_PX = 16  # per cell


@dataclass(frozen=True)
class Layer:
    """A place in a network where features are heard."""

    module: nn.Module
    cell_px: float
    entering: bool  # what enters the module counts, else what leaves it
    to_map: Callable[[Tensor], Tensor]  # -> (N, C, h, w)


class EarlyFeatures:
    """What is heard of one classifier.

    Args:
        model: any of this project.

    Raises:
        InputError: its network hands out no features.
    """

    def __init__(self, model: Classifier) -> None:
        self.layers = _layers(model)

    @property
    def cell_px(self) -> float:
        """Side of a cell in pixels of the image."""
        return min(layer.cell_px for layer in self.layers)

    @contextmanager
    def heard(self) -> Iterator[Callable[[], Tensor]]:
        """Yield a function that returns the features (N, C, h, w) of all N images that the model saw inside `with`.

        >>> model = CamClassifier("test_efficientnet", 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
        >>> with torch.no_grad(), EarlyFeatures(model).heard() as features:
        ...     logits = model(torch.rand(2, 3, 64, 96)).logits
        >>> features().shape
        torch.Size([2, 72, 8, 12])
        """
        pieces: list[list[Tensor]] = [[] for _ in self.layers]

        def listen(layer: Layer, heard: list[Tensor]) -> Any:
            if layer.entering:
                return layer.module.register_forward_pre_hook(
                    lambda _, inputs: heard.append(_neighbourhoods(layer.to_map(inputs[0])))
                )
            return layer.module.register_forward_hook(
                lambda _, __, output: heard.append(_neighbourhoods(layer.to_map(output)))
            )

        hooks = [listen(layer, heard) for layer, heard in zip(self.layers, pieces, strict=True)]
        try:
            yield lambda: self._side_by_side([torch.cat(heard) for heard in pieces])
        finally:
            for hook in hooks:
                hook.remove()

    def _side_by_side(self, maps: list[Tensor]) -> Tensor:
        finest = min(range(len(maps)), key=lambda place: self.layers[place].cell_px)
        rows_columns = maps[finest].shape[2:]
        sizes = [layer.cell_px / self.cell_px for layer in self.layers]
        return torch.cat([enlarged(one, ratio, rows_columns) for one, ratio in zip(maps, sizes, strict=True)], dim=1)


def _neighbourhoods(maps: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(maps, kernel_size=3, stride=1, padding=1)


def _layers(model: Classifier) -> list[Layer]:
    network: Any = model.network
    if isinstance(model, RolloutClassifier):
        stem = getattr(network.patch_embed, "backbone", None)
        if stem is None or not hasattr(stem, "feature_info"):
            return _of_tokens(model)
        network = stem
    names = stage_names(network)
    strides = [stride for stride in sorted(names) if stride <= COARSEST_PX][-2:] or sorted(names)[:1]
    if not strides:
        raise InputError("params.yaml: novelty compares early features; this CNN hands none out; leave novelty out")
    return [_of_stage(network, names[stride], stride) for stride in strides]


def _of_stage(network: Any, name: str, stride: int) -> Layer:
    def to_map(features: Any) -> Tensor:
        if not isinstance(features, Tensor) or features.ndim != 4:
            raise InputError(f"params.yaml: novelty: the CNN's {name} hands out no features; leave novelty out")
        return features

    return Layer(network.get_submodule(name), float(stride), entering=False, to_map=to_map)


def _of_tokens(model: RolloutClassifier) -> list[Layer]:
    blocks: Any = model.backbone.blocks
    # Rollout takes blocks apart and calls their parts, of which the first is `norm1`: what enters it entered the block.
    return [
        Layer(blocks[place].norm1, model.cell_px, entering=True, to_map=lambda tokens: model.to_map(tokens.mT[..., 1:]))
        for place in sorted({len(blocks) // 2, len(blocks) * 3 // 4})
    ]
