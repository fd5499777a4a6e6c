"""Class activation map (Zhou et al. 2016; thesis section 2.2): the classifier's neuron at each position.

    cam[n, y, x] = sum_c weight[c] features[n, c, y, x]        mean_yx cam + bias = logit

It is part of the CNN's forward pass, so explaining costs one forward pass. The bias, the same everywhere, is left out.
"""

from torch import Tensor

from stages.models.cnn import CamClassifier
from stages.models.outputs import Outputs


def explain(model: CamClassifier, images: Tensor) -> Outputs:
    """Return logits (N,) and heatmaps (N, 1, H/stride, W/stride) of images (N, 3, H, W) in 0..1."""
    return model(images, explain=True)
