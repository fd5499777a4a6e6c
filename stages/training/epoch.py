"""One epoch: which parameters learn, the steps over the train tiles, and the logits of tiles after it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from stages.models.batches import Labelled, draw_flips, epoch_order, flip, in_order, to_images
from stages.models.weights import Classifier
from stages.records.tiles import Tiles
from stages.runtime.errors import TrainingFailed
from stages.runtime.progress import progress
from stages.runtime.seeds import derive_seed
from stages.training.cells import CellTruth, cell_logits, cell_loss
from stages.training.loss import balanced_weights, dense_negatives, mean_loss
from stages.training.settings import Training
from stages.training.state import State
from stages.training.steps import least_batch, least_tiles, shares, steps


def freeze(model: Classifier, frozen: list[nn.Parameter]) -> None:
    """Let all parameters but `frozen` learn."""
    model.requires_grad_(True)
    for parameter in frozen:
        parameter.requires_grad_(False)


def set_training_mode(model: Classifier) -> None:
    """Switch to training mode, except where every parameter is frozen: batch statistics must stay frozen, too."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters(recurse=False))
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def train_epoch(
    state: State,
    shared: Any,
    tiles: Labelled,
    training: Training,
    fabric: Fabric,
    epoch: int,
    title: str,
    truth: CellTruth | None = None,
) -> float:
    """Train for one epoch and return its mean loss.

    Args:
        state: model, moving average and optimiser, which a step changes.
        shared: the model as the engine runs it (`fabric.setup_module`).
        tiles: to learn from.
        training: every number of the recipe.
        fabric: the engine.
        epoch: its number, from 1; order, flips and dropout are drawn by it.
        title: of the training, for the progress bar and errors.
        truth: of the same tiles, where their cells are learned and not their classes.

    Raises:
        TrainingFailed: the loss is not finite.
    """
    set_training_mode(state.model)
    torch.manual_seed(derive_seed(training.seed, "dropout", epoch, fabric.global_rank))
    order = epoch_order(tiles.defective, training.good_per_defective, training.seed, epoch)
    weights = balanced_weights(tiles.codes[order]).to(fabric.device) if training.loss_weight == "balanced" else None
    random = np.random.default_rng(derive_seed(training.seed, "flips", epoch))
    least = least_tiles(state.model, training)
    batches = list(steps(order, training.batch, least_batch(training.batch, least, fabric.world_size)))
    dense = truth is None and state.model.settings.negatives == "dense"
    good_code = tiles.classes.index("good") if "good" in tiles.classes else None
    total = 0.0
    for positions in progress(batches, f"{title} epoch {epoch}") if fabric.is_global_zero else batches:
        state.optimiser.zero_grad(set_to_none=True)
        flips = draw_flips(len(positions), random)
        loss = torch.zeros((), device=fabric.device)
        micro_batches = shares(fabric, np.arange(len(positions)), training.accumulate, least)
        for place, (chosen, factor) in enumerate(micro_batches):
            with fabric.no_backward_sync(shared, enabled=place < len(micro_batches) - 1):
                codes = torch.from_numpy(tiles.codes[positions[chosen]]).to(fabric.device)
                images = to_images(flip(tiles.tiles.images(positions[chosen]), flips[:, chosen]), fabric.device)
                outputs = shared(images, explain=True) if dense or truth else shared(images)
                if truth:
                    where = truth.of(positions[chosen], flips[:, chosen]).to(fabric.device)
                    cells = cell_logits(state.model, outputs)[:, 0]
                    share = cell_loss(cells, where, None if weights is None else weights[codes]) * factor
                else:
                    share = mean_loss(outputs.logits, codes, weights) * factor
                if dense:
                    cells = outputs.heatmaps + state.model.head.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
                    good = torch.from_numpy(~tiles.defective[positions[chosen]]).to(fabric.device)
                    share = share + dense_negatives(cells, good, good_code) * factor
                fabric.backward(share * fabric.world_size)  # the engine averages gradients over processes
            loss += share.detach()
        value = fabric.all_reduce(loss, reduce_op="sum").item()  # type: ignore[union-attr]
        if not math.isfinite(value):
            seen = ", ".join(tiles.tiles.index["tile_id"].iloc[positions[:4]])
            raise TrainingFailed(
                f"params.yaml: the loss of {title} epoch {epoch} is {value}; lower lr (first tiles: {seen})"
            )
        state.optimiser.step()
        state.average.update_parameters(state.model)
        total += value * len(positions)
    return total / sum(len(positions) for positions in batches)


@torch.inference_mode()
def predict(model: Classifier, tiles: Tiles, batch: int, fabric: Fabric) -> np.ndarray:
    """Return the logits (N,) or (N, K) float32 of tiles, in their order; each process computes its share of them."""
    neurons = model.head.weight.shape[0]
    whole = _of_tiles(lambda images: model.eval()(images).logits.float(), tiles, batch, fabric, neurons)
    return whole[:, 0] if neurons == 1 else whole


@torch.inference_mode()
def predict_cells(model: Classifier, tiles: Tiles, batch: int, fabric: Fabric, shape: tuple[int, int]) -> np.ndarray:
    """Return the logits (N, rows, columns) float32 of the cells of tiles, as `predict` those of tiles."""
    rows, columns = shape
    whole = _of_tiles(
        lambda images: cell_logits(model, model.eval()(images, explain=True))[:, 0],
        tiles,
        batch,
        fabric,
        rows * columns,
    )
    cells: np.ndarray = whole.reshape(-1, rows, columns)
    return cells


def _of_tiles(of: Callable[[Tensor], Tensor], tiles: Tiles, batch: int, fabric: Fabric, count: int) -> np.ndarray:
    """Return (N, count) of all tiles."""
    found = torch.zeros(len(tiles.index), count, device=fabric.device)
    for positions in list(in_order(tiles, batch))[fabric.global_rank :: fabric.world_size]:
        found[positions] = of(to_images(tiles.images(positions), fabric.device)).reshape(-1, count)
    whole: np.ndarray = fabric.all_reduce(found, reduce_op="sum").cpu().numpy()  # type: ignore[union-attr]
    return whole
