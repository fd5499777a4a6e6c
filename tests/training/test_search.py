"""The search with made-up trainings: what is drawn, given up, kept, counted, and what a second run does."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from stages.runtime.errors import InputError, TrainingFailed
from stages.runtime.seeds import derive_seed
from stages.training.loop import Fitted, Watch
from stages.training.search import search as run_search
from stages.training.search import suggest
from stages.training.search_results import summary, trial_rows
from stages.training.trials import open_trials
from tests.models.tiny import RECIPE
from tests.training.searches import BATCHES, EPOCHS, RATES, SPACE, TUNE, history, made_up, peak, searched


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def finished(count: int) -> list[optuna.trial.FrozenTrial]:
    """Return complete trials, evenly over the learning rates, scored as `peak` does."""
    trials = []
    for place, lr in enumerate(np.geomspace(*RATES, count)):
        values = {"lr": float(lr), "batch": BATCHES[place % 2]}
        trial = optuna.create_trial(params=values, distributions=SPACE, value=peak(values)[-1])
        trials.append(trial)
    return trials


def test_the_first_trials_are_random_and_within_the_space() -> None:
    for count in range(3):
        drawn = suggest(finished(count), SPACE, seed=7, random_trials=3)
        sampler = optuna.samplers.RandomSampler(seed=derive_seed(7, "trial", count) % 2**32)
        assert drawn == optuna.create_study(sampler=sampler).ask(SPACE).params
    drawn = [suggest([], SPACE, seed, random_trials=3) for seed in range(300)]
    rates = np.log10([values["lr"] for values in drawn])
    assert rates.min() >= -4 and rates.max() <= -2
    np.testing.assert_allclose(np.histogram(rates, bins=4, range=(-4, -2))[0] / 300, 0.25, atol=0.07)  # log-uniform
    assert {values["batch"] for values in drawn} == {32, 64}


def test_then_tpe_draws_near_the_best() -> None:
    """Away from 1e-3 by a quarter of a decade, on average, where random draws are away by half a decade."""
    away = {}
    for random_trials in (3, 99):
        drawn = [suggest(finished(12), SPACE, seed, random_trials)["lr"] for seed in range(30)]
        away[random_trials] = np.abs(np.log10(drawn) + 3).mean()
    assert away[3] < 0.33 < 0.4 < away[99]


def test_the_same_seed_gives_the_same_search_and_another_does_not() -> None:
    first = searched("one")
    assert first == searched("two")
    assert [row["trial"] for row in first] == list(range(1, 9))
    assert first != searched("three", seed=1)


def test_a_second_run_does_what_is_left() -> None:
    calls: list[dict[str, Any]] = []
    whole = searched("whole")
    assert searched(trials=3, calls=calls) == whole[:3] and len(calls) == 3
    assert searched(trials=8, calls=calls) == whole and len(calls) == 8
    assert searched(trials=8, calls=calls) == whole and len(calls) == 8
    assert searched(trials=5, calls=calls) == whole[:5] and len(calls) == 8  # what five would have given


def test_a_hopeless_trial_is_given_up_but_not_in_its_first_or_last_epoch() -> None:
    def one_bad(values: dict[str, Any]) -> list[float]:
        bad = len(calls) in (1, 5, 7)
        return [0.1, 0.1, 0.1, 0.1] if bad else [0.6, 0.7, 0.8, 0.9 + 0.001 * len(calls)]

    calls: list[dict[str, Any]] = []
    rows = searched("pruned", one_bad, calls)
    # the first bad one belongs to those that are complete before anything is judged
    assert [row["state"] for row in rows] == ["complete"] * 4 + ["pruned", "complete", "pruned", "complete"]
    assert [row["epochs"] for row in rows] == [4, 4, 4, 4, 2, 4, 2, 4]
    assert rows[4]["val_accuracy"] == 0.1
    calls.clear()
    assert {row["state"] for row in searched("kept", one_bad, calls, prune=False)} == {"complete"}

    def bad_at_last(values: dict[str, Any]) -> list[float]:
        return [0.5, 0.6, 0.7, 0.9] if len(late) < 6 else [0.5, 0.6, 0.7, 0.7]

    late: list[dict[str, Any]] = []
    assert {row["state"] for row in searched("late", bad_at_last, late)} == {"complete"}


def test_warm_up_is_no_reason_to_give_up() -> None:
    calls: list[dict[str, Any]] = []
    train = made_up(lambda _: [0.1] * 4 if len(calls) > 5 else [0.9] * 4, calls)
    with open_trials("warm", None) as trials:
        recipe = replace(RECIPE, epochs=EPOCHS, warmup_epochs=2)
        rows = trial_rows(run_search(trials, SPACE, replace(TUNE, trials=6), recipe, train, "tiny"))
    assert (rows[-1]["state"], rows[-1]["epochs"]) == ("complete", 4)  # only the last epoch could have been judged


def complete(number: int, accuracy: float, loss: float) -> optuna.trial.FrozenTrial:
    epoch = {"epoch": 1, "val_accuracy": accuracy, "val_average_precision": 1 - accuracy, "val_loss": loss}
    trial = optuna.create_trial(
        params={"lr": 10.0**-number, "batch": 32},
        distributions={"lr": optuna.distributions.FloatDistribution(1e-9, 1), "batch": SPACE["batch"]},
        value=accuracy,
        user_attrs={"epoch": epoch},
    )
    trial.number = number
    return trial


def test_the_best_has_the_highest_objective_then_the_lowest_loss_then_came_first() -> None:
    trials = [complete(0, 0.8, 0.1), complete(1, 0.9, 0.4), complete(2, 0.9, 0.3), complete(3, 0.9, 0.3)]
    found = summary(trials, "val_accuracy", "tiny")
    assert (found["best_trial"], found["lr"], found["val_accuracy"], found["val_loss"]) == (3, 1e-2, 0.9, 0.3)
    assert (found["trials"], found["complete"], found["pruned"], found["failed"]) == (4, 4, 0, 0)
    assert summary(trials, "val_average_precision", "tiny")["best_trial"] == 1


def test_a_trial_that_does_not_train_is_one_that_failed() -> None:
    def diverges(values: dict[str, Any]) -> list[float]:
        if values["lr"] > 1e-3:
            raise TrainingFailed("params.yaml: the loss of tiny is nan; lower lr")
        return peak(values)

    rows = searched("some", diverges)
    states = {row["state"] for row in rows if row["lr"] > 1e-3}
    assert states == {"failed"} and {row["state"] for row in rows if row["lr"] <= 1e-3} <= {"complete", "pruned"}
    assert all(math.isnan(row["val_accuracy"]) for row in rows if row["state"] == "failed")


def test_where_all_fail_one_line_says_why() -> None:
    def diverges(values: dict[str, Any]) -> list[float]:
        raise TrainingFailed("params.yaml: the loss of tiny is nan; lower lr")

    with open_trials("all", None) as trials:
        train = made_up(diverges, [])
        ended = run_search(trials, SPACE, replace(TUNE, trials=2), replace(RECIPE, epochs=4), train, "tiny")
    with pytest.raises(
        InputError,
        match=r"^params.yaml: tune: none of the 2 trials of tiny .*; last: the loss of tiny is nan; lower lr$",
    ):
        summary(ended, "val_accuracy", "tiny")


def test_what_has_nothing_to_do_with_the_values_ends_the_search_and_the_trial_goes_on_later() -> None:
    whole = searched("whole")
    calls: list[dict[str, Any]] = []

    def full_disk(values: dict[str, Any], watch: Watch) -> Fitted:
        calls.append(values)
        watch(history(peak(values))[:1])
        watch(history(peak(values))[:2])
        raise InputError("last.pt: cannot be written")

    with open_trials("s", None) as trials, pytest.raises(InputError, match="cannot be written"):
        run_search(trials, SPACE, TUNE, replace(RECIPE, epochs=EPOCHS), full_disk, "tiny")
    again: list[dict[str, Any]] = []
    assert searched("s", calls=again) == whole  # no step twice, or Optuna would warn
    assert again[0] == calls[0] and len(again) == 8


def test_a_trial_that_another_process_ended_meanwhile_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[dict[str, Any]] = []

    def ended_elsewhere(values: dict[str, Any]) -> list[float]:
        if len(calls) == 1:
            with open_trials("s", None) as other:
                other.study.tell(0, state=optuna.trial.TrialState.FAIL)
        return peak(values)

    rows = searched("s", ended_elsewhere, calls, trials=2)
    assert [row["state"] for row in rows] == ["failed", "complete"]
    assert "tiny: trial 1 was ended by another process" in capsys.readouterr().err


def test_a_score_that_is_undefined_is_named() -> None:
    def undefined(values: dict[str, Any]) -> list[float]:
        return [math.nan] * EPOCHS

    with pytest.raises(InputError, match=r"tune.objective: val_average_precision of tiny is undefined on these"):
        searched("nan", undefined, objective="val_average_precision")
