"""Class activation map (Zhou et al. 2016; thesis section 2.2): the classifier's neuron at each position.

    cam[n, y, x] = sum_c weight[c] features[n, c, y, x]        mean_yx cam + bias = logit

It is part of the CNN's forward pass, so explaining costs one forward pass. The bias, the same everywhere, is left out.
"""

import torch
from torch import Tensor

from stages.explainers.method import Method
from stages.models.cnn import CamClassifier
from stages.models.outputs import Outputs, Target, target_classes


def explain(model: CamClassifier, images: Tensor, target: Target = None) -> Outputs:
    """Return logits and heatmaps (N, 1, H/stride, W/stride) of images (N, 3, H, W) in 0..1.

    Args:
        target: see `stages.models.outputs.select_score`; the map of good is minus the map of defective.

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


METHOD = Method(families=("cnn",), call=lambda model, images, target, _: explain(model, images, target))
