"""What a search found: a row per trial, and the best of them."""

import math
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from stages.records.files import rounded
from stages.runtime.errors import InputError

STATE_NAMES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
SCORES = ("val_accuracy", "val_average_precision", "val_loss")


def trial_rows(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """Return one row per trial, in their order.

    trial from 1, lr, batch, epochs that it ran, val_accuracy, val_average_precision, val_loss (of the best epoch of a
    complete trial, of the last one of a pruned trial; NaN for a failed one), state: complete | pruned | failed.
    """
    rows = []
    for trial in trials:
        epoch = trial.user_attrs.get("epoch", {}) if trial.state != TrialState.FAIL else {}
        row = {"trial": trial.number + 1, **trial.params, "epochs": len(trial.intermediate_values)}
        row |= {key: epoch.get(key, math.nan) for key in SCORES}
        rows.append(row | {"state": STATE_NAMES[trial.state]})
    return rows


def summary(trials: Sequence[FrozenTrial], objective: str, title: str) -> dict[str, Any]:
    """Return how many trials ended how, and the best: highest objective, then lowest validation loss, then the first.

    Raises:
        InputError: no trial is complete.
    """
    rows = trial_rows(trials)
    complete = [row for row in rows if row["state"] == "complete"]
    if not complete:
        reasons = [trial.user_attrs["reason"] for trial in trials if trial.user_attrs.get("reason")]
        last = (reasons or ["no reason is known"])[-1].removeprefix("params.yaml: ")
        raise InputError(f"params.yaml: tune: none of the {len(rows)} trials of {title} came to an end; last: {last}")
    best = min(complete, key=lambda row: (-row[objective], row["val_loss"], row["trial"]))
    states = [row["state"] for row in rows]
    return {
        "trials": len(rows),
        **{state: states.count(state) for state in STATE_NAMES.values()},
        "best_trial": best["trial"],
        "lr": best["lr"],
        "batch": best["batch"],
        **{key: rounded(best[key]) for key in SCORES},
    }
