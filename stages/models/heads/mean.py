"""The thesis' head (section 2.2, equation 2.1): a neuron per class at every cell, and the mean over the cells.

    cam[n, k, y, x] = sum_c weight[k, c] features[n, c, y, x]
    pool(cam)[n, k] = mean_yx cam[n, k, y, x]

Global average pooling and the neuron are both linear, so applying the neuron first and averaging afterwards is the
thesis' network exactly, and the map costs nothing.
"""

from torch import Tensor, nn


def build(channels: int, neurons: int) -> nn.Conv2d:
    """Return the neurons as a 1x1 convolution, its bias 0."""
    head = nn.Conv2d(channels, neurons, kernel_size=1)
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    return head


def to_map(head: nn.Module, features: Tensor) -> Tensor:
    """Return the class activation maps (N, K, h, w) of features (N, C, h, w)."""
    return nn.functional.conv2d(features, head.weight)  # type: ignore[arg-type]


def pool(cam: Tensor) -> Tensor:
    """Return the mean over the cells, (N, K), of maps (N, K, h, w)."""
    return cam.mean(dim=(2, 3))
