"""What every classifier returns from one forward pass, and which of its scores an explanation is about."""

from typing import NamedTuple

import torch
from torch import Tensor

from stages.runtime.errors import InputError

Target = int | Tensor | None


class Outputs(NamedTuple):
    """The named outputs of a classifier.

    logits: binary (N,), sigmoid gives the probability that a tile is defective; multiclass (N, K), softmax gives that
        of each class.
    heatmaps: (N, S, h, w) float at native resolution, one map per setting, higher = more relevant; None when no
        heatmap was asked for.
    """

    logits: Tensor
    heatmaps: Tensor | None


def as_logits(scores: Tensor) -> Tensor:
    """Return scores (N, K) of K neurons as the logits of `Outputs`: (N,) where there is one neuron."""
    return scores[:, 0] if scores.shape[1] == 1 else scores


def select_score(logits: Tensor, target: Target = None) -> Tensor:
    """Return (N,) the score that a class-specific explanation explains.

    Args:
        logits: of `Outputs`.
        target: binary: None or 1 for defective (the logit), 0 for good (minus the logit). Multiclass: one class for
            all images, (N,) one for each, or None for each image's predicted class.

    Raises:
        InputError: a target is not one of the classes.
    """
    targets = target_classes(logits, target)
    if logits.ndim == 1:
        return torch.where(targets == 1, logits, -logits)
    return logits.gather(1, targets[:, None])[:, 0]


def target_classes(logits: Tensor, target: Target = None) -> Tensor:
    """Return (N,) int64 the class that each image is explained for; arguments and errors as `select_score`."""
    classes = 2 if logits.ndim == 1 else logits.shape[1]
    if target is None:
        return torch.ones_like(logits, dtype=torch.int64) if logits.ndim == 1 else logits.argmax(dim=1)
    targets = torch.as_tensor(target, dtype=torch.int64, device=logits.device).expand(len(logits))
    if bool(((targets < 0) | (targets >= classes)).any()):
        raise InputError(f"target is {targets.unique().tolist()}; the model's classes are 0 to {classes - 1}")
    return targets
