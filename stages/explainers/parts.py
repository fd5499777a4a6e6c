"""A batch explained a few images at a time where that is faster, and refused where it gave no finite logits."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stages.models.attention import refuse_not_finite
from stages.models.outputs import Outputs, Target

CACHED_IMAGES = 4  # the attention of so many stays in the processor's cache


def in_parts(explain: Callable[[Tensor, Target], Outputs], model: nn.Module, images: Tensor, target: Target) -> Outputs:
    """Return what explain(images, target) returns, on a CPU computed for a few images at a time.

    Raises:
        InputError: an image or a weight is not finite.
    """
    count = CACHED_IMAGES if images.device.type == "cpu" else max(1, len(images))
    parts = []
    for start in range(0, max(1, len(images)), count):
        part = slice(start, start + count)
        own = target[part] if isinstance(target, Tensor) and target.ndim else target
        parts.append(explain(images[part], own))
    outputs = Outputs(*(torch.cat(values) for values in zip(*parts, strict=True)))
    refuse_not_finite(model, images, outputs.logits)
    return outputs
