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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stages.models.batches import Labelled, draw_flips, epoch_order, flip, in_order, to_images
from stages.models.weights import Classifier
from stages.records.tiles import Tiles
from stages.runtime.errors import TrainingFailed
from stages.runtime.progress import progress
from stages.runtime.seeds import derive_seed
from stages.training.checkpoint import Checkpoint
from stages.training.engine import copy_buffers_of_first, in_first_process, memory_advice, sum_over_processes
from stages.training.loss import balanced_weights, dense_negatives, mean_loss
from stages.training.settings import Training
from stages.training.steps import least_batch, least_tiles, refuse_recipe, shares, steps

Scores = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]


@dataclass(frozen=True)
class Epoch:
    """What one epoch did; losses are mean cross entropies in nats, the training's weighted as `loss_weight` says."""

    epoch: int
    lr: float
    train_loss: float
    val_loss: float
    val_average_precision: float
    val_accuracy: float


Watch = Callable[[Sequence[Epoch]], None]


@dataclass(frozen=True)
class Fitted:
    """The history of a training, the epoch whose weights the model now has, and its validation logits."""

    history: tuple[Epoch, ...]
    best: Epoch
    val_logits: np.ndarray


@dataclass
class _Run:
    """What a training changes from epoch to epoch: all that a checkpoint holds."""

    model: Classifier
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    schedule: ReduceLROnPlateau
    history: list[Epoch]
    best_weights: dict[str, Tensor]
    val_logits: Tensor

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best_weights": self.best_weights,
            "val_logits": self.val_logits,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.best_weights, self.val_logits = state["best_weights"], state["val_logits"]


def fit(
    model: Classifier,
    family: str,
    train: Labelled,
    val: Labelled,
    training: Training,
    scores: Scores,
    fabric: Fabric,
    title: str,
    checkpoint: Checkpoint | None = None,
    watch: Watch = lambda history: None,
) -> Fitted:
    """Train `model` in place and leave it with the weights of its best epoch.

    Best is the highest average precision on validation tiles (multiclass: the mean over classes); ties go to the lower
    validation loss. Average precision because it does not depend on how many good tiles were drawn, and because
    accuracy on a few hundred tiles is soon the same in every epoch; the learning rate follows the loss, as in the
    thesis.

    Args:
        model, family: the classifier, and `cnn` (Adam) or `vit` (AdamW).
        train, val: tiles to learn from and to choose the epoch on.
        training: every number of the recipe.
        scores: of logits (N,) or (N, K) and codes (N,): at least `average_precision` and `accuracy`.
        fabric: the engine, started.
        title: what to call this training in progress bars and errors.
        checkpoint: where to keep the state after each epoch, and to find that of a killed run.
        watch: called with all epochs so far when a killed run goes on and after each epoch; what it raises ends this.

    Raises:
        InputError: the loss is not finite, memory runs out, or a value of `training` does not fit data or model.
    """
    refuse_recipe(model, train, training, fabric.world_size)
    least = least_tiles(model, training)
    checkpoint = checkpoint or Checkpoint(None)
    model.to(fabric.device)
    frozen = model.stage_parameters(training.frozen_stages)
    run = _start(model, family, training)
    state = in_first_process(fabric, checkpoint.load)
    if state is not None:
        run.load(state)
        if fabric.is_global_zero:
            print(f"{title}: goes on after epoch {len(run.history)}", file=sys.stderr, flush=True)
        watch(run.history)
    shared, learning = None, -1  # the model as the engine runs it, and how many parameters learn in it
    while len(run.history) < training.epochs and not _out_of_patience(run.history, training):
        number = len(run.history) + 1
        warming_up = number <= training.warmup_epochs
        _freeze(model, list(model.network.parameters()) if warming_up else frozen)
        count = sum(parameter.requires_grad for parameter in model.parameters())
        if count != learning:
            shared, learning = None, count  # first the old one lets go of the gradients that it listens to
            shared = fabric.setup_module(model)
        lr = run.optimiser.param_groups[0]["lr"]
        with memory_advice(title, training, fabric.world_size, least):
            train_loss = _train_epoch(run, shared, train, training, fabric, number, f"{title} epoch {number}", least)
            kept: Classifier = run.average.module  # type: ignore[assignment]  # the averaged copy of `model`
            copy_buffers_of_first(fabric, kept)
            at_once = -(-training.batch // (training.accumulate * fabric.world_size))  # what fits in training does here
            logits = torch.from_numpy(_predict_together(fabric, kept, val.tiles, at_once))
        val_loss = mean_loss(logits, torch.from_numpy(val.codes)).item()
        scored = scores(logits.numpy(), val.codes)
        epoch = Epoch(number, lr, train_loss, val_loss, scored["average_precision"], scored["accuracy"])
        if not run.history or _quality(epoch) > _quality(_best(run.history)):
            run.best_weights, run.val_logits = copy.deepcopy(kept.state_dict()), logits
        run.history.append(epoch)
        if not warming_up:
            run.schedule.step(val_loss)
        in_first_process(fabric, lambda: checkpoint.save(run.state()))
        watch(run.history)
    model.load_state_dict(run.best_weights)
    model.eval()
    return Fitted(tuple(run.history), _best(run.history), run.val_logits.numpy())


@torch.inference_mode()
def predict(model: Classifier, tiles: Tiles, batch: int, device: torch.device) -> np.ndarray:
    """Return the logits (N,) or (N, K) float32 of tiles, in their order."""
    model.eval()
    parts = [_logits(model, tiles, positions, device) for positions in in_order(tiles, batch)]
    return torch.cat(parts).numpy()


@torch.inference_mode()
def _predict_together(fabric: Fabric, model: Classifier, tiles: Tiles, batch: int) -> np.ndarray:
    """Return what `predict` does, each process having computed its share."""
    if fabric.world_size == 1:
        return predict(model, tiles, batch, fabric.device)
    model.eval()
    neurons = model.head.weight.shape[0]
    logits = torch.zeros(len(tiles.index), neurons, device=fabric.device)
    for positions in list(in_order(tiles, batch))[fabric.global_rank :: fabric.world_size]:
        logits[positions] = _logits(model, tiles, positions, fabric.device).view(-1, neurons).to(logits)
    logits = sum_over_processes(fabric, logits).cpu()
    return (logits[:, 0] if neurons == 1 else logits).numpy()


def _logits(model: Classifier, tiles: Tiles, positions: np.ndarray, device: torch.device) -> Tensor:
    return model(to_images(tiles.images(positions), device)).logits.float().cpu()


def _start(model: Classifier, family: str, training: Training) -> _Run:
    kind: Any = torch.optim.AdamW if family == "vit" else torch.optim.Adam
    optimiser = kind(model.parameters(), lr=training.lr, weight_decay=training.weight_decay)
    schedule = ReduceLROnPlateau(optimiser, factor=training.plateau_factor, patience=training.plateau_patience)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.ema_decay), use_buffers=True)
    return _Run(model, average, optimiser, schedule, [], {}, torch.empty(0))


def _quality(epoch: Epoch) -> tuple[float, float]:
    precision = epoch.val_average_precision  # undefined where validation has no defective tile: the loss decides
    return (-math.inf if math.isnan(precision) else precision, -epoch.val_loss)


def _best(history: list[Epoch]) -> Epoch:
    return max(history, key=_quality)  # the first of equals


def _out_of_patience(history: list[Epoch], training: Training) -> bool:
    patience = training.early_stop_patience
    return patience is not None and bool(history) and len(history) - _best(history).epoch >= patience


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
    run: _Run, shared: Any, train: Labelled, training: Training, fabric: Fabric, epoch: int, title: str, least: int
) -> float:
    """Train for one epoch and return its mean loss.

    `shared` is the model as the engine runs it, `least` how many tiles a micro-batch must have.
    """
    _set_training_mode(run.model)
    torch.manual_seed(derive_seed(training.seed, "dropout", epoch, fabric.global_rank))
    order = epoch_order(train.defective, training.good_per_defective, training.seed, epoch)
    weights = balanced_weights(train.codes[order]).to(fabric.device) if training.loss_weight == "balanced" else None
    random = np.random.default_rng(derive_seed(training.seed, "flips", epoch))
    batches = list(steps(order, training.batch, least_batch(training.batch, least, fabric.world_size)))
    dense, defective = run.model.settings.negatives == "dense", torch.from_numpy(train.defective).to(fabric.device)
    good_code = train.classes.index("good") if "good" in train.classes else None
    total = 0.0
    for positions in progress(batches, title) if fabric.is_global_zero else batches:
        run.optimiser.zero_grad(set_to_none=True)
        flips = draw_flips(len(positions), random)
        loss = torch.zeros((), device=fabric.device)
        parts = shares(fabric, np.arange(len(positions)), training.accumulate, least)
        for place, (part, factor) in enumerate(parts):
            with fabric.no_backward_sync(shared, enabled=place < len(parts) - 1):
                codes = torch.from_numpy(train.codes[positions[part]]).to(fabric.device)
                images = to_images(flip(train.tiles.images(positions[part]), flips[:, part]), fabric.device)
                outputs = shared(images, explain=True) if dense else shared(images)
                part_loss = mean_loss(outputs.logits, codes, weights) * factor
                if dense:
                    cells = outputs.heatmaps + run.model.head.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
                    part_loss = part_loss + dense_negatives(cells, ~defective[positions[part]], good_code) * factor
                fabric.backward(part_loss * fabric.world_size)  # the engine averages gradients over processes
            loss += part_loss.detach()
        value = sum_over_processes(fabric, loss).item()
        if not math.isfinite(value):
            seen = ", ".join(train.tiles.index["tile_id"].iloc[positions[:4]])
            raise TrainingFailed(f"params.yaml: the loss of {title} is {value}; lower lr (first tiles: {seen})")
        run.optimiser.step()
        run.average.update_parameters(run.model)
        total += value * len(positions)
    return total / sum(len(positions) for positions in batches)
