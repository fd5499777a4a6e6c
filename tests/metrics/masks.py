"""Pixels of masks counted one way, for tests to compare with."""

import numpy as np


def counts_of_masks(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count the pixels of each tile: bool (n, H, W) twice -> (n, 4), the columns TP, FP, FN, TN."""
    cells = (prediction & truth, prediction & ~truth, ~prediction & truth, ~prediction & ~truth)
    return np.stack([cell.sum(axis=(1, 2)) for cell in cells], axis=1)
