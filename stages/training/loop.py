"""Training: a linear head on a pre-trained backbone, cross entropy, best epoch by validation.

The thesis' recipe (table 3.1): Adam for CNNs, AdamW for ViTs, ReduceLROnPlateau on the validation loss, random
horizontal and vertical flips. The paper's transfer learning, then fine-tuning, is `warmup_epochs` (head only), then
everything after the first `frozen_stages`. Beyond both: what is validated and kept is the exponential moving average of
the weights (`ema_decay` per step), because the last step of a short training is a noisy choice.

Whatever is random in an epoch (order, flips, dropout) is seeded by its number alone, so that a training that goes on
after a kill draws what an undisturbed one draws.
"""

import copy
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from stages.classification.image_scores import validation_scores
from stages.models.batches import Labelled
from stages.models.weights import Classifier
from stages.training.cells import CellTask, cell_loss
from stages.training.checkpoint import Checkpoint
from stages.training.engine import copy_buffers_of_first, in_first_process, memory_advice
from stages.training.epoch import freeze, predict, predict_cells, train_epoch
from stages.training.loss import mean_loss
from stages.training.settings import Training
from stages.training.state import Epoch, initial_state
from stages.training.steps import least_tiles, refuse_recipe, tiles_at_once

Watch = Callable[[Sequence[Epoch]], None]


@dataclass(frozen=True)
class Fitted:
    """The history of a training, the epoch whose weights the model now has, and its validation logits."""

    history: tuple[Epoch, ...]
    best: Epoch
    val_logits: np.ndarray


def fit(
    model: Classifier,
    family: str,
    train: Labelled,
    val: Labelled,
    training: Training,
    fabric: Fabric,
    title: str,
    checkpoint: Checkpoint,
    watch: Watch = lambda history: None,
    cells: CellTask | None = None,
) -> Fitted:
    """Train `model` in place and leave it with the weights of its best epoch.

    Best is the highest average precision on validation tiles (multiclass: the mean over classes); ties go to the lower
    validation loss. Average precision because it does not depend on how many good tiles were drawn, and because
    accuracy on a few hundred tiles is soon the same in every epoch; the learning rate follows the loss, as in the
    thesis. With `cells` it is the lowest loss on their validation cells.

    Args:
        model, family: the classifier, and `cnn` (Adam) or `vit` (AdamW).
        train, val: tiles to learn from and to choose the epoch on.
        training: every number of the recipe.
        fabric: the engine, started.
        title: what to call this training in progress bars and errors.
        checkpoint: where to keep the state after each epoch, and to find that of a killed run.
        watch: called with all epochs so far when a killed run goes on and after each epoch; an exception that it raises
            ends the training.
        cells: the truth of `train` and `val` in each cell: these are learned, and not the classes of tiles.

    Raises:
        InputError: the loss is not finite, memory runs out, or a value of `training` does not fit data or model.
    """
    refuse_recipe(model, train, training, fabric.world_size)
    least = least_tiles(model, training)
    at_once = tiles_at_once(training, fabric.world_size)  # what fits into memory in training does in validation
    model.to(fabric.device)
    frozen = model.stage_parameters(training.frozen_stages)
    state = initial_state(model, family, training)
    saved = in_first_process(fabric, checkpoint.load)
    if saved is not None:
        state.restore(saved)
        if fabric.is_global_zero:
            print(f"{title}: goes on after epoch {len(state.history)}", file=sys.stderr, flush=True)
        watch(state.history)
    shared, learning = None, -1  # the model as the engine runs it, and how many parameters learn in it
    while len(state.history) < training.epochs and not _out_of_patience(state.history, training):
        number = len(state.history) + 1
        warming_up = number <= training.warmup_epochs
        freeze(model, list(model.network.parameters()) if warming_up else frozen)
        count = sum(parameter.requires_grad for parameter in model.parameters())
        if count != learning:
            shared, learning = None, count  # first the old one lets go of the gradients that it listens to
            shared = fabric.setup_module(model)
        lr = state.optimiser.param_groups[0]["lr"]
        with memory_advice(title, training, fabric.world_size, least):
            truth = cells.train if cells else None
            train_loss = train_epoch(state, shared, train, training, fabric, number, title, truth)
            averaged: Classifier = state.average.module  # type: ignore[assignment]  # a copy of `model`
            copy_buffers_of_first(fabric, averaged)
            logits = _predicted(averaged, val, at_once, fabric, cells)
        val_loss, precision, accuracy = _validated(logits, val, cells)
        epoch = Epoch(number, lr, train_loss, val_loss, precision, accuracy)
        if not state.history or _quality(epoch) > _quality(_best(state.history)):
            state.best_weights, state.val_logits = copy.deepcopy(averaged.state_dict()), logits
        state.history.append(epoch)
        if not warming_up:
            state.schedule.step(val_loss)
        in_first_process(fabric, lambda: checkpoint.save(state.to_save()))
        watch(state.history)
    model.load_state_dict(state.best_weights)
    model.eval()
    return Fitted(tuple(state.history), _best(state.history), state.val_logits.numpy())


def _predicted(model: Classifier, val: Labelled, at_once: int, fabric: Fabric, cells: CellTask | None) -> Tensor:
    if cells is None:
        return torch.from_numpy(predict(model, val.tiles, at_once, fabric))
    return torch.from_numpy(predict_cells(model, val.tiles, at_once, fabric, cells.val.shape))


def _validated(logits: Tensor, val: Labelled, cells: CellTask | None) -> tuple[float, float, float]:
    """Return loss, average precision and accuracy on validation tiles; of cells the loss alone."""
    if cells is None:
        scores = validation_scores(logits.numpy(), val.codes, val.classes)
        loss = mean_loss(logits, torch.from_numpy(val.codes)).item()
        return loss, scores["average_precision"], scores["accuracy"]
    return cell_loss(logits, cells.val.of(np.arange(len(logits)))).item(), math.nan, math.nan


def _quality(epoch: Epoch) -> tuple[float, float]:
    precision = epoch.val_average_precision  # undefined without a defective tile, and of cells: the loss decides
    return (-math.inf if math.isnan(precision) else precision, -epoch.val_loss)


def _best(history: list[Epoch]) -> Epoch:
    return max(history, key=_quality)  # the first of equals


def _out_of_patience(history: list[Epoch], training: Training) -> bool:
    patience = training.early_stop_patience
    return patience is not None and bool(history) and len(history) - _best(history).epoch >= patience
