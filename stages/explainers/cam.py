"""Class activation map (Zhou et al. 2016; thesis section 2.2): the classifier's neuron at each position.

    cam[n, y, x] = sum_c weight[c] features[n, c, y, x]        mean_yx cam + bias = logit

With another pool than the mean, pool(cam) + bias = logit (`stages.models.pools`). A ViT that reads its patch tokens has
the same map, with the token of a patch as the features of its cell. It is part of the forward pass, so explaining costs
one forward pass. The bias, the same everywhere, is left out.
"""

import torch
from torch import Tensor

from stages.explainers.method import Method
from stages.models.outputs import Outputs, Target, target_classes
from stages.models.registry import Architecture
from stages.models.weights import Classifier


def explain(model: Classifier, images: Tensor, target: Target = None) -> Outputs:
    """Return logits and heatmaps (N, 1, rows, columns) of images (N, 3, H, W) in 0..1, one value per cell or patch.

    Args:
        model: a CNN, or a ViT that reads its patch tokens.
        images: to explain.
        target: see `stages.models.outputs.select_score`; the map of good is minus the map of defective.

    Raises:
        InputError: the target is not one of the classes, or a ViT reads its class token.

    >>> from stages.models.cnn import CamClassifier
    >>> model = CamClassifier("test_efficientnet", 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> explain(model, torch.rand(2, 3, 64, 96)).heatmaps.shape
    torch.Size([2, 1, 4, 6])
    """
    logits, maps = model(images, explain=True)
    targets = target_classes(logits, target)
    if logits.ndim == 1:
        return Outputs(
            logits, maps if target is None else torch.where((targets == 1)[:, None, None, None], maps, -maps)
        )
    return Outputs(logits, maps[torch.arange(len(maps), device=maps.device), targets][:, None])


def _why_not(architecture: Architecture) -> str | None:
    if architecture.family == "vit" and architecture.head.reads != "patch_tokens":
        return "it reads its class token, which has no class map (head.reads: patch_tokens has)"
    return None


METHOD = Method(
    families=("cnn", "vit"),
    call=lambda model, images, target, _: explain(model, images, target),
    why_not=_why_not,
)
