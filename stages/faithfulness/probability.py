"""The probability that is followed while tiles are perturbed."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.explainers.target import defect_target
from stages.metrics.faithfulness import Predict
from stages.models.batches import to_images
from stages.models.trained import Description
from stages.models.weights import Classifier


def make_predict(
    model: Classifier, description: Description, pixels: NDArray[np.uint8], batch: int, device: torch.device
) -> Predict:
    """Return a function of tiles that gives the probability which each was explained for before it was perturbed.

    Binary: the probability of a defect, whatever was predicted. Several classes: that of the likeliest kind of defect
    of the whole tile.

    Args:
        model: on `device`.
        description: of the model.
        pixels: (n, H, W, 3) the whole tiles; the function takes n tiles in the same order.
        batch: tiles in one forward pass.
        device: that computes.
    """
    explained = np.ones(len(pixels), np.intp)
    if description.task != "binary":
        targets = [defect_target(model, description, images) for images in _batches(pixels, batch, device)]
        explained = torch.cat(targets).cpu().numpy()  # type: ignore[arg-type]
    return lambda tiles: _probabilities(model, tiles, batch, device)[np.arange(len(tiles)), explained]


@torch.inference_mode()
def _probabilities(
    model: Classifier, tiles: NDArray[np.uint8], batch: int, device: torch.device
) -> NDArray[np.float64]:
    """Return (n, K) the probability of each class; binary: of good and of defective."""
    logits = torch.cat([model(images).logits.float() for images in _batches(tiles, batch, device)])
    if logits.ndim == 1:
        logits = torch.stack([torch.zeros_like(logits), logits], dim=1)
    return logits.double().softmax(dim=1).cpu().numpy()


def _batches(tiles: NDArray[np.uint8], batch: int, device: torch.device) -> Iterator[Tensor]:
    for start in range(0, len(tiles), batch):
        yield to_images(tiles[start : start + batch], device)
