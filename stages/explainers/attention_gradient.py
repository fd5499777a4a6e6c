"""Attention x gradient: the later rule of the authors of transformer LRP, without relevance propagation.

    C_l = mean over heads of max(0, (d score / d A_l) * A_l), entry by entry                (N, N)
    R = I;  R <- R + C_l R for l = 1 ... L;  heatmap = row of the class token, columns of the patches

A_l is the attention of layer l after softmax, score that of `select_score`. Only the class token's row is needed:
r <- r + r C_l from the last layer to the first, with the same result. Where the patch tokens are read, the heatmap is
the mean over the patches' rows of R - I: the score's gradient knows how much each of them counts.

Source: Chefer, Gur and Wolf 2021, "Generic attention-model explainability", equations 5 and 6 for self-attention.
Deviations: batches; nothing else. Entries are sums of products of gradients: their scale differs between models and
images.
"""

from functools import partial

from torch import Tensor

from stages.explainers.method import Method
from stages.explainers.small_batches import in_small_batches
from stages.models.attention import attention_gradients
from stages.models.outputs import Outputs, Target
from stages.models.rollout import roll_relevance
from stages.models.vit import RolloutClassifier


def explain(model: RolloutClassifier, images: Tensor, target: Target = None) -> Outputs:
    """Return logits and heatmaps (N, 1, px/patch, px/patch) >= 0 of images (N, 3, px, px) in 0..1.

    Args:
        model: any classifier with rollout.
        images: to explain.
        target: the class, see `select_score`.

    Raises:
        InputError: the target is not one of the classes, or an image or a weight is not finite.

    >>> import torch
    >>> from stages.models.vit import RolloutClassifier
    >>> model = RolloutClassifier("test_vit", 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> bool((explain(model, torch.rand(2, 3, 64, 64)).heatmaps >= 0).all())
    True
    """
    return in_small_batches(partial(_explain, model), model, images, target)


def _explain(model: RolloutClassifier, images: Tensor, target: Target) -> Outputs:
    logits, steps, gradients = attention_gradients(model, images, target)
    relevance = (step.weights * gradient for step, gradient in zip(reversed(steps), reversed(gradients), strict=True))
    return Outputs(logits, model.to_map(roll_relevance(relevance, model.patches_from)))


METHOD = Method(
    families=("vit",),
    shares=True,
    call=lambda model, images, target, _: explain(model, images, target),
)
