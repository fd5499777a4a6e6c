"""The class that each tile is explained for."""

import torch
from torch import Tensor

from stages.models.outputs import Target
from stages.models.trained import Description
from stages.models.weights import Classifier


@torch.no_grad()
def defect_target(model: Classifier, description: Description, images: Tensor) -> Target:
    """Return the class that images (N, 3, px, px) in 0..1 are explained for.

    Of a binary model it is defective, which needs no forward pass (None, see `select_score`); of several classes each
    image's likeliest kind of defect, (N,). Good is never explained, whatever was predicted: heatmaps are to show where
    the defect is.
    """
    if description.task == "binary":
        return None
    logits = model(images).logits
    if "good" in description.classes:
        logits[:, description.classes.index("good")] = -torch.inf
    return logits.argmax(dim=1)
