"""A batch explained a few images at a time where that is faster, and refused where it gave no finite logits."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stages.models.attention import refuse_not_finite
from stages.models.outputs import Outputs, Target

CACHED_IMAGES = 4  # the attention of so many stays in the processor's cache


def in_small_batches(
    explain: Callable[[Tensor, Target], Outputs], model: nn.Module, images: Tensor, target: Target
) -> Outputs:
    """Return explain(images, target), on a CPU computed for a few images at a time.

    Args:
        explain: a function of some of the images and their target.
        model: that it explains.
        images: (N, 3, px, px).
        target: one class for all images, or (N,) one for each, or None.

    Raises:
        InputError: an image or a weight is not finite.
    """
    count = CACHED_IMAGES if images.device.type == "cpu" else max(1, len(images))
    explained = []
    for start in range(0, max(1, len(images)), count):
        some = slice(start, start + count)
        each_its_own = isinstance(target, Tensor) and target.ndim
        explained.append(explain(images[some], target[some] if each_its_own else target))  # type: ignore[index]
    outputs = Outputs(*(torch.cat(values) for values in zip(*explained, strict=True)))
    refuse_not_finite(model, images, outputs.logits)
    return outputs
