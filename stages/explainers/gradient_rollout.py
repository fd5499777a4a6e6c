"""Gradient attention rollout: rollout of the attention that speaks for one class.

    F_l = max(0, mean over heads of (d score / d A_l) * A_l), entry by entry                (N, N)
    F_l = F_l with its k = floor(N * N * discard) smallest entries set to 0, class token -> class token excepted
    rollout of the F_l as in `stages.models.rollout`: identity added, rows normalised; row of the class token

A_l is the attention of layer l after softmax, score that of `select_score`.

Source: the gradient variant of the published rollout code (vit-explain), class-specific attention rollout in the
paper's literature search. Deviations: that code pairs the attentions first to last with the gradients last to first,
here each layer meets its own gradient; rows are normalised and ties treated as `stages.models.rollout` says; the class
token's own entry is kept; batches; a map is not divided by its maximum.
"""

import torch.nn.functional as F
from torch import Tensor

from stages.explainers.parts import in_parts
from stages.models.attention import attention_gradients
from stages.models.outputs import Outputs, Target
from stages.models.rollout import Setting, rollout
from stages.models.vit import RolloutClassifier


def explain(
    model: RolloutClassifier,
    images: Tensor,
    target: Target = None,
    *,
    discards: tuple[float, ...] = (0.0,),
    normalise: str = "rows",
) -> Outputs:
    """Return logits and heatmaps (N, len(discards), px/patch, px/patch) of images (N, 3, px, px) in 0..1.

    Args:
        model: any classifier with rollout.
        images: to explain.
        target: the class, see `select_score`.
        discards: ratios 0 <= discard < 1.
        normalise: `rows` or `published`, see `stages.models.rollout`.

    Raises:
        InputError: the target is not one of the classes, or an image or a weight is not finite.
    """
    return in_parts(lambda part, own: _explain(model, part, own, discards, normalise), model, images, target)


def _explain(
    model: RolloutClassifier, images: Tensor, target: Target, discards: tuple[float, ...], normalise: str
) -> Outputs:
    logits, steps, gradients = attention_gradients(model, images, target)
    fused = [(step.weights * grad).mean(dim=1).clamp_(min=0) for step, grad in zip(steps, gradients, strict=True)]
    if normalise == "published" or any(discards):
        # No other row of the last layer has a gradient: zeros, which count when entries are discarded.
        fused[-1] = F.pad(fused[-1], (0, 0, 0, fused[-1].shape[2] - 1))
    settings = tuple(Setting("mean", discard) for discard in discards)
    return Outputs(logits, model.to_map(rollout({"mean": fused}, settings, normalise)))
