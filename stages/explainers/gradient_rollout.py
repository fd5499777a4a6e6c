"""Gradient attention rollout: rollout of the attention that speaks for one class.

    F_l = max(0, mean over heads of (d score / d A_l) * A_l), entry by entry                (N, N)
    rollout of the F_l as in `stages.models.rollout`: identity added, rows normalised; row of the class token, or the
    mean over the patches' rows where these are read

A_l is the attention of layer l after softmax, score that of `select_score`.

Source: the gradient variant of the published rollout code (vit-explain), class-specific attention rollout in the
paper's literature search. Deviations: that code pairs the attentions first to last with the gradients last to first,
here each layer meets its own gradient; no entry is discarded; rows are normalised as `stages.models.rollout` says;
batches; a map is not divided by its maximum.
"""

from functools import partial

import torch.nn.functional as F
from torch import Tensor

from stages.explainers.method import Method
from stages.explainers.small_batches import in_small_batches
from stages.models.attention import attention_gradients
from stages.models.outputs import Outputs, Target
from stages.models.rollout import Setting, rollout
from stages.models.vit import RolloutClassifier


def explain(model: RolloutClassifier, images: Tensor, target: Target = None, normalise: str = "rows") -> Outputs:
    """Return logits and heatmaps (N, 1, px/patch, px/patch) of images (N, 3, px, px) in 0..1.

    Args:
        model: any classifier with rollout.
        images: to explain.
        target: the class, see `select_score`.
        normalise: `rows` or `published`, see `stages.models.rollout`.

    Raises:
        InputError: the target is not one of the classes, or an image or a weight is not finite.

    >>> import torch
    >>> from stages.models.vit import RolloutClassifier
    >>> model = RolloutClassifier("test_vit", 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> explain(model, torch.rand(2, 3, 64, 64)).heatmaps.shape
    torch.Size([2, 1, 4, 4])
    """
    return in_small_batches(partial(_explain, model, normalise), model, images, target)


def _explain(model: RolloutClassifier, normalise: str, images: Tensor, target: Target) -> Outputs:
    logits, steps, gradients = attention_gradients(model, images, target)
    fused = [(step.weights * grad).mean(dim=1).clamp_(min=0) for step, grad in zip(steps, gradients, strict=True)]
    if normalise == "published":  # reads all rows of the last layer; those that are not there have no gradient
        fused[-1] = F.pad(fused[-1], (0, 0, 0, fused[-1].shape[2] - fused[-1].shape[1]))
    rolled = rollout({"mean": fused}, (Setting("mean", 0.0),), normalise, model.patches_from)
    return Outputs(logits, model.to_map(rolled))


METHOD = Method(
    families=("vit",),
    shares=True,
    call=lambda model, images, target, parameters: explain(model, images, target, parameters.normalise),
)
