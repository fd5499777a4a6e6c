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


def dense_negatives(cells: Tensor, good: Tensor, good_code: int | None) -> Tensor:
    """Return what the cells of good tiles cost, a scalar: each of them should be called good.

        binary:     sum_{n good} mean_cells -log(sigmoid(-cell_n)) / N
        multiclass: sum_{n good} mean_cells -log softmax(cell_n)[good] / N

    A good tile is good everywhere, which its label does not say of a defective one: multiple-instance learning with
    known negatives. Without it a pool that looks at few cells leaves all others untrained.

    Args:
        cells: (N, K, h, w) logits of each cell: the map plus the bias.
        good: (N,) bool.
        good_code: the class `good` among K > 1 classes; None where there is no such class, which costs nothing.
    """
    if cells.shape[1] > 1 and good_code is None:
        return cells.new_zeros(())
    chosen = cells[good]
    each = functional.softplus(chosen[:, 0]) if cells.shape[1] == 1 else -chosen.log_softmax(dim=1)[:, good_code]
    return each.mean(dim=(1, 2)).sum() / len(cells)


def balanced_weights(codes: np.ndarray) -> Tensor:
    """Return (K,) float32 weights n / (K n_k): every class has the same sum, and the mean over the tiles is 1.

    Args:
        codes: (n,) the class of each tile that is seen; K is the highest code + 1, a class without a tile gets 0.
    """
    counts = np.bincount(codes)
    present = int((counts > 0).sum())
    return torch.tensor([len(codes) / (present * count) if count else 0.0 for count in counts], dtype=torch.float32)
