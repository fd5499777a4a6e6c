"""The state of a training between two epochs: what a checkpoint keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stages.models.weights import Classifier
from stages.training.settings import Training

STATEFUL = ("model", "average", "optimiser", "schedule")  # what torch saves and restores itself


@dataclass(frozen=True)
class Epoch:
    """What one epoch did; losses are mean cross entropies in nats, the training's weighted as `loss_weight` says."""

    epoch: int
    lr: float
    train_loss: float
    val_loss: float
    val_average_precision: float
    val_accuracy: float


@dataclass
class State:
    """What a training changes from epoch to epoch: all that a checkpoint holds."""

    model: Classifier
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    schedule: ReduceLROnPlateau
    history: list[Epoch]
    best_weights: dict[str, Tensor]
    val_logits: Tensor  # of the best epoch

    def to_save(self) -> dict[str, Any]:
        """Return it as plain values and tensors."""
        saved: dict[str, Any] = {name: getattr(self, name).state_dict() for name in STATEFUL}
        saved["history"] = [asdict(epoch) for epoch in self.history]
        return saved | {"best_weights": self.best_weights, "val_logits": self.val_logits}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_save` returned."""
        for name in STATEFUL:
            getattr(self, name).load_state_dict(saved[name])
        self.history = [Epoch(**epoch) for epoch in saved["history"]]
        self.best_weights, self.val_logits = saved["best_weights"], saved["val_logits"]


def initial_state(model: Classifier, family: str, training: Training) -> State:
    """Return the state before the first epoch."""
    kind: Any = torch.optim.AdamW if family == "vit" else torch.optim.Adam
    optimiser = kind(model.parameters(), lr=training.lr, weight_decay=training.weight_decay)
    schedule = ReduceLROnPlateau(optimiser, factor=training.plateau_factor, patience=training.plateau_patience)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.ema_decay), use_buffers=True)
    return State(model, average, optimiser, schedule, [], {}, torch.empty(0))
