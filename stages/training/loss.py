"""What training minimises: cross entropy, of one neuron (good / defective) or of one neuron per class."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def mean_loss(logits: Tensor, codes: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross entropy in nats, a scalar.

        binary:     mean_n w[y_n] * -log(sigmoid(z_n) if y_n else sigmoid(-z_n))
        multiclass: mean_n w[y_n] * -log softmax(z_n)[y_n]

    Args:
        logits: (N,) of one neuron or (N, K) of one neuron per class.
        codes: (N,) int64, the class of each tile (binary: 1 is defective).
        weights: (K,) of each class, or None for 1. The mean is over N, not over the sum of weights, so that one tile
            weighs the same in whatever batch it stands.
    """
    each = None if weights is None else weights[codes]
    if logits.ndim == 1:
        return functional.binary_cross_entropy_with_logits(logits, codes.float(), weight=each)
    if each is None:
        return functional.cross_entropy(logits, codes)
    return (functional.cross_entropy(logits, codes, reduction="none") * each).mean()


def balanced_weights(codes: np.ndarray) -> Tensor:
    """Return (K,) float32 weights n / (K n_k): every class has the same sum, and the mean over the tiles is 1.

    Args:
        codes: (n,) the class of each tile that is seen; K is the highest code + 1, a class without a tile gets 0.
    """
    counts = np.bincount(codes)
    present = int((counts > 0).sum())
    return torch.tensor([len(codes) / (present * count) if count else 0.0 for count in counts], dtype=torch.float32)
