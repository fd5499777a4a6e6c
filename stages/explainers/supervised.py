"""Reference: the same network, taught where defects are; see `stages.training.supervised`.

map   = sigmoid(neuron at a cell + bias): the share of the cell that is defect, as the network estimates it
score of the tile: its highest cell, before the sigmoid
"""

from typing import Any

import torch
from torch import Tensor

from stages.explainers.method import Method
from stages.models.outputs import Outputs, Target
from stages.models.weights import Classifier

SUPERVISED = "supervised"


@torch.no_grad()
def explain(model: Classifier, images: Tensor, target: Target, parameters: Any) -> Outputs:
    """Return tile scores (N,) in place of logits, and shares 0..1 (N, 1, h, w), of images (N, 3, px, px) in 0..1.

    Args:
        model: the supervised network, of one neuron.
        images: the tiles.
        target, parameters: count for nothing.
    """
    maps = model(images, explain=True).heatmaps
    assert maps is not None
    assert model.head.bias is not None
    cells = maps + model.head.bias
    return Outputs(cells.amax(dim=(1, 2, 3)), cells.sigmoid())


METHOD = Method(families=("cnn", "vit"), call=explain)
