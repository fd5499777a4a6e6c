"""What the tests of the search share: made-up trainings, whose scores are known, and a database where there is one."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.training.loop import Fitted, Watch
from stages.training.search import search as run_search
from stages.training.search import search_space
from stages.training.search_results import trial_rows
from stages.training.state import Epoch
from stages.training.trials import open_trials
from stages.training.tuning import RateBounds, Tune
from tests.models.tiny import RECIPE

DATABASE = os.environ.get("DEFECTLENS_TEST_DATABASE")
NEEDS_DATABASE = pytest.mark.skipif(
    DATABASE is None, reason="no PostgreSQL: .ci/run starts one and names it in DEFECTLENS_TEST_DATABASE"
)
RATES, BATCHES = (1e-4, 1e-2), (32, 64)
SPACE = search_space(RATES, BATCHES)
TUNE = Tune(
    trials=8, random_trials=3, lr=RateBounds(RATES, (1e-5, 1e-4)), batch=BATCHES, objective="val_accuracy",
    epochs=None, prune=True, seed=0, storage=None,
)  # fmt: skip
EPOCHS = 4
Accuracies = Callable[[dict[str, Any]], Sequence[float]]


def history(accuracies: Sequence[float]) -> list[Epoch]:
    """Return epochs with these validation accuracies; average precision is half of each, the loss 1 - accuracy."""
    return [Epoch(place, 0.01, 0.5, 1 - value, value / 2, value) for place, value in enumerate(accuracies, 1)]


def made_up(accuracies: Accuracies, calls: list[dict[str, Any]]) -> Callable[[dict[str, Any], Watch], Fitted]:
    """Return a training that gives the accuracies that a function of `lr` and `batch` says, and notes its calls."""

    def train(values: dict[str, Any], watch: Watch) -> Fitted:
        calls.append(values)
        epochs = history(accuracies(values))
        for count in range(1, len(epochs) + 1):
            watch(epochs[:count])
        return Fitted(tuple(epochs), max(epochs, key=lambda epoch: epoch.val_accuracy), np.empty(0))

    return train


def peak(values: dict[str, Any]) -> list[float]:
    """Return accuracies that are best at a learning rate of 1e-3 and, by a little, at a batch of 64; all rise alike."""
    final = 0.9 - 0.2 * abs(np.log10(values["lr"]) + 3) + (0.02 if values["batch"] == 64 else 0.0)
    return [final - 0.1 * (EPOCHS - epoch) for epoch in range(1, EPOCHS + 1)]


def searched(
    study: str = "s", accuracies: Accuracies = peak, calls: list[dict[str, Any]] | None = None, **changes: Any
) -> list[dict[str, Any]]:
    """Run a search of made-up trainings and return its rows."""
    tune = replace(TUNE, **changes)
    with open_trials(study, tune.storage) as trials:
        train = made_up(accuracies, calls if calls is not None else [])
        return trial_rows(run_search(trials, SPACE, tune, replace(RECIPE, epochs=EPOCHS), train, "tiny"))
