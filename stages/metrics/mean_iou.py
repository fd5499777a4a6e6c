"""Mean IoU as weakly supervised segmentation reports it: every pixel has a class, and background is one of them."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer]
Codes = NDArray[np.integer]

NONE = -1  # code of a tile that has, or is said to have, no defect


def mean_iou(inside: Counts, outside: Counts, actual: Codes, predicted: Codes, classes: int) -> NDArray[np.float64]:
    """Return the mean IoU of n tiles under every threshold.

    A pixel is of its tile's predicted class where the heatmap is above the threshold, else background. Pixels of all
    tiles are counted together:

        IoU_c = TP_c / (TP_c + FP_c + FN_c),     mean IoU = mean over background and the K classes

    over those of them that are true or predicted anywhere. All pixels of a tile's truth are of the tile's class.

    Args:
        inside, outside: (n, B) how many pixels of a tile's truth, and how many others, lie in each bin of the
            heatmap's values, lowest first.
        actual: (n,) class of each tile, 0..K-1, or `NONE`.
        predicted: (n,) the class that each tile is said to be of, or `NONE`: all of it is background.
        classes: K.

    Returns:
        (B + 1,) values 0..1; at place t pixels of bin t and higher are above the threshold, so that at place B all is
        background.
    """
    hit, lit = _above(inside), _above(inside + outside)
    total = lit[:, :1]
    area = hit[:, :1]
    said = (predicted != NONE)[:, None]
    # background: what is not lit, of that what is not true
    background = np.where(said, total - lit, total)
    right = np.where(said, (total - area) - (lit - hit), total - area)
    found = [_iou(right.sum(0), background.sum(0), np.broadcast_to((total - area).sum(0), right.shape[1:]))]
    for code in range(classes):
        true, called = actual == code, predicted == code
        found.append(
            _iou(hit[true & called].sum(0), lit[called].sum(0), np.broadcast_to(area[true].sum(0), lit.shape[1:]))
        )
    scores: NDArray[np.float64] = np.nanmean(np.stack(found), axis=0)
    return scores


def _above(counts: Counts) -> NDArray[np.int64]:
    """Return (n, B + 1): how many of each tile's pixels are in bin t or higher."""
    summed = np.cumsum(counts[:, ::-1].astype(np.int64), axis=1)[:, ::-1]
    return np.concatenate([summed, np.zeros((len(counts), 1), np.int64)], axis=1)


def _iou(both: NDArray, predicted: NDArray, true: NDArray) -> NDArray[np.float64]:
    union = predicted + true - both
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(union > 0, both / union, np.nan)
