"""Training: one neuron on a pre-trained backbone, binary cross entropy, best epoch by validation.

The thesis' recipe (table 3.1): Adam for CNNs, AdamW for ViTs, ReduceLROnPlateau on the validation loss, random
horizontal and vertical flips. The paper's transfer learning, then fine-tuning, is `warmup_epochs` (head only), then
everything after the first `frozen_stages`. Beyond both: what is validated and kept is the exponential moving average of
the weights (`ema_decay` per step), because the last step of a short training is a noisy choice.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stages.models.batches import Tiles, epoch_order, in_order, random_flips, to_images
from stages.models.weights import Classifier
from stages.runtime.errors import InputError
from stages.runtime.params import Training
from stages.runtime.progress import progress
from stages.runtime.seeds import derive_seed


@dataclass(frozen=True)
class Epoch:
    """What one epoch did; losses are mean binary cross entropies in nats."""

    epoch: int
    lr: float
    train_loss: float
    val_loss: float
    val_average_precision: float


@dataclass(frozen=True)
class Fitted:
    """The history of a training and the epoch whose weights the model now has."""

    history: tuple[Epoch, ...]
    best: Epoch


def fit(
    model: Classifier,
    family: str,
    train: Tiles,
    val: Tiles,
    training: Training,
    average_precision: Callable[[np.ndarray, np.ndarray], float],
    device: torch.device,
    title: str,
) -> Fitted:
    """Train `model` in place and leave it with the weights of its best epoch.

    Best is the highest average precision on validation tiles; ties go to the lower validation loss. Average precision
    because it does not depend on how many good tiles were drawn; the learning rate follows the loss, as in the thesis.

    Args:
        model, family: the classifier, and `cnn` (Adam) or `vit` (AdamW).
        train, val: tiles to learn from and to choose the epoch on.
        training: every number of the recipe.
        average_precision: of logits (N,) against labels (N,) bool.
        device: where to compute.
        title: what to call this training in progress bars and errors.

    Raises:
        InputError: the loss is not finite, or a value of `training` does not fit the data or the model.
    """
    if training.batch > len(train.index):
        raise InputError(f"params.yaml: batch is {training.batch}, but there are only {len(train.index)} train tiles")
    model.to(device)
    frozen = model.stage_parameters(training.frozen_stages)
    optimiser = _optimiser(model, family, training)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=training.plateau_factor, patience=training.plateau_patience
    )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.ema_decay), use_buffers=True)
    history: list[Epoch] = []
    best_state: dict[str, Tensor] = {}
    best: Epoch | None = None
    for number in range(1, training.epochs + 1):
        warming_up = number <= training.warmup_epochs
        _freeze(model, list(model.backbone.parameters()) if warming_up else frozen)
        lr = optimiser.param_groups[0]["lr"]
        train_loss = _train_epoch(model, average, train, training, optimiser, number, device, f"{title} epoch {number}")
        kept: Classifier = average.module  # type: ignore[assignment]  # the averaged copy of `model`
        logits = predict(kept, val, training.batch, device)
        labels = torch.tensor(val.labels, dtype=torch.float32)
        val_loss = nn.functional.binary_cross_entropy_with_logits(torch.from_numpy(logits), labels).item()
        epoch = Epoch(number, lr, train_loss, val_loss, average_precision(logits, val.labels))
        history.append(epoch)
        if best is None or _quality(epoch) > _quality(best):
            best, best_state = epoch, copy.deepcopy(kept.state_dict())
        if not warming_up:
            schedule.step(val_loss)
    assert best is not None  # there is at least one epoch
    model.load_state_dict(best_state)
    model.eval()
    return Fitted(tuple(history), best)


@torch.inference_mode()
def predict(model: Classifier, tiles: Tiles, batch: int, device: torch.device) -> np.ndarray:
    """Return the logits (N,) float32 of tiles, in their order."""
    model.eval()
    parts = [model(to_images(tiles.images(positions), device)).logits.cpu() for positions in in_order(tiles, batch)]
    return torch.cat(parts).numpy()


def _quality(epoch: Epoch) -> tuple[float, float]:
    return (epoch.val_average_precision, -epoch.val_loss)


def _optimiser(model: Classifier, family: str, training: Training) -> torch.optim.Optimizer:
    kind: Any = torch.optim.AdamW if family == "vit" else torch.optim.Adam
    return kind(model.parameters(), lr=training.lr, weight_decay=training.weight_decay)


def _freeze(model: Classifier, frozen: list[nn.Parameter]) -> None:
    """Let all parameters but `frozen` learn."""
    model.requires_grad_(True)
    for parameter in frozen:
        parameter.requires_grad_(False)


def _set_training_mode(model: Classifier) -> None:
    """Switch to training mode, except where every parameter is frozen: batch statistics must stay frozen, too."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def _train_epoch(
    model: Classifier,
    average: AveragedModel,
    tiles: Tiles,
    training: Training,
    optimiser: torch.optim.Optimizer,
    epoch: int,
    device: torch.device,
    title: str,
) -> float:
    _set_training_mode(model)
    labels = tiles.labels
    order = epoch_order(labels, training.good_per_defective, training.seed, epoch)
    random = np.random.default_rng(derive_seed(training.seed, "flips", epoch))
    batches = list(_full_batches(order, training.batch))
    total = 0.0
    for positions in progress(batches, title):
        images = to_images(random_flips(tiles.images(positions), random), device)
        targets = torch.from_numpy(labels[positions]).float().to(device)
        loss = nn.functional.binary_cross_entropy_with_logits(model(images).logits, targets)
        if not torch.isfinite(loss):
            seen = ", ".join(tiles.index["tile_id"].iloc[positions[:4]])
            raise InputError(f"params.yaml: the loss of {title} is {loss.item()}; lower lr (first tiles: {seen})")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average.update_parameters(model)
        total += loss.item() * len(positions)
    return total / sum(len(positions) for positions in batches)


def _full_batches(order: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """Yield batches; a last one of a single tile is left out, since batch normalisation needs two."""
    for start in range(0, len(order), batch):
        positions = order[start : start + batch]
        if len(positions) > 1 or len(order) == 1:
            yield positions
