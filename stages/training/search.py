"""Search for learning rate and batch by TPE: which values a trial gets, when one is hopeless, which is the best.

TPE (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"), as the thesis (section 3.1), after
`random_trials` at random: with Optuna's own ten of those, the thesis' ten trials would all be random. A trial whose
best epoch so far is below the median of what complete trials had in that epoch is given up (Optuna's MedianPruner).

The values of trial n depend on the seed, on n and on the trials before it alone, and a killed trial goes on from its
last epoch. So one process gives the same search bit for bit, killed or not; several share trials as they come.
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from stages.models.batches import Labelled
from stages.models.trained import Description
from stages.records.files import rounded
from stages.records.locks import locked
from stages.records.paths import checkpoint_folder
from stages.runtime.device import choose_device
from stages.runtime.errors import InputError, TrainingFailed
from stages.runtime.params import Params, Runtime
from stages.runtime.seeds import derive_seed
from stages.training.checkpoint import Checkpoint
from stages.training.engine import start_engine
from stages.training.fresh import data_hash, fresh_classifier, training_hash
from stages.training.loop import Epoch, Fitted, Scores, Watch, fit
from stages.training.settings import Training, read_training
from stages.training.steps import refuse_recipe
from stages.training.trials import Trials, open_trials
from stages.training.tuning import Tune

POLL_S = 0.5  # how often to look whether another process has finished its trial
WORDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
Train = Callable[[dict[str, Any], Watch], Fitted]


@dataclass(frozen=True)
class Space:
    """What is searched: learning rates from lowest to highest, log-uniformly, and a choice of batches."""

    lr: tuple[float, float]
    batch: tuple[int, ...]

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """Return it in Optuna's words."""
        return {
            "lr": optuna.distributions.FloatDistribution(*self.lr, log=True),
            "batch": optuna.distributions.CategoricalDistribution(self.batch),
        }


def search_model(params: Params, name: str, train: Labelled, val: Labelled, scores: Scores) -> Sequence[FrozenTrial]:
    """Search for the model `name` as `params.tune` says, in this process; return the trials of all processes.

    A trial is one training as stage train does it, from the same first weights and with the same seed, so training
    with the values of a trial (and its epochs) gives its scores again. `scores` is what `fit` takes.

    Raises:
        InputError: as `search`, or a batch is larger than there are tiles.
    """
    family, tune = params.families[name], params.read(Tune)
    space = Space(getattr(tune.lr, family), tune.batch)
    recipe = read_training(params, name, {"lr": space.lr[0], "batch": max(space.batch)})
    recipe = replace(recipe, epochs=tune.epochs or recipe.epochs)
    if max(space.batch) > len(train.codes):
        raise InputError(
            f"params.yaml: tune.batch is {list(space.batch)}, but there are only {len(train.codes)} train tiles"
        )
    fabric = start_engine(choose_device(params.read(Runtime).device), recipe.precision)

    def train_with(values: dict[str, Any], watch: Watch) -> Fitted:
        training = replace(recipe, **values)
        fresh = fresh_classifier(params, name, training, train, fabric.device)
        checkpoint_at = checkpoint_folder(name, training_hash(params, fresh.description, training, fabric))
        checkpoint = Checkpoint(checkpoint_at)
        with locked(checkpoint_at / "lock", f"training {name}"):
            try:
                fitted = fit(fresh.model, family, train, val, training, scores, fabric, name, checkpoint, watch)
            except (optuna.TrialPruned, TrainingFailed):
                checkpoint.remove()
                raise
            checkpoint.remove()
        return fitted

    fresh = fresh_classifier(params, name, recipe, train, fabric.device)
    for batch in space.batch:
        refuse_recipe(fresh.model, train, replace(recipe, batch=batch), fabric.world_size)
    with open_trials(_study_name(params, name, fresh.description, recipe, space), tune.storage) as trials:
        return search(trials, space, tune, recipe, train_with, name)


def _study_name(params: Params, name: str, description: Description, recipe: Training, space: Space) -> str:
    """Return <model>-<hash of all that defines the search>: not how many trials, nor where they are kept."""
    free, beside = {"lr", "batch"}, {"trials", "storage", "lr", "batch", "epochs"}
    definition = {
        "description": asdict(description),
        "training": {key: value for key, value in asdict(recipe).items() if key not in free},
        "tune": {key: value for key, value in asdict(params.read(Tune)).items() if key not in beside},
        "space": asdict(space),
        "optuna": optuna.__version__,
    }
    return f"{name}-{data_hash(params, definition)}"


def suggest(trials: Sequence[FrozenTrial], space: Space, seed: int, random_trials: int) -> dict[str, Any]:
    """Return `lr` and `batch` of the trial that comes after `trials`; those still running are kept away from."""
    sampler = optuna.samplers.TPESampler(
        seed=derive_seed(seed, "trial", len(trials)) % 2**32, n_startup_trials=random_trials
    )
    study = optuna.create_study(sampler=sampler, direction="maximize")  # in memory
    study.add_trials(trials)
    return dict(study.ask(space.distributions()).params)


def search(
    trials: Trials, space: Space, tune: Tune, recipe: Training, train: Train, title: str
) -> Sequence[FrozenTrial]:
    """Run trials until there are `tune.trials` in all processes together and each has ended; return them in order.

    Args:
        trials: the search, opened.
        space: what values there are.
        tune: how many trials, by which objective, pruned or not, from which seed.
        recipe: the training of a trial; none is given up in `warmup_epochs`, in the epoch after, or in the last one.
        train: trains with given values, calls a function with all epochs after each, and returns what came out.
        title: what to call the search in lines on stderr.

    Raises:
        InputError: a trial ends in one that has nothing to do with its values; it goes on in the next run.
    """
    pruner = optuna.pruners.MedianPruner(n_startup_trials=tune.random_trials, n_warmup_steps=recipe.warmup_epochs + 1)
    trials.study.pruner = pruner if tune.prune else optuna.pruners.NopPruner()
    said = False
    while True:
        number = _claim(trials, space, tune)
        if number is not None:
            try:
                _run(trials, number, tune, recipe.epochs, train, title)
            except optuna.exceptions.UpdateFinishedTrialError:  # a machine that the server thought gone came back
                print(f"{title}: trial {number + 1} was ended by another process", file=sys.stderr, flush=True)
            trials.locks.free(number)
            continue
        known = trials.study.get_trials(deepcopy=False)[: tune.trials]  # an earlier search may have been longer
        if all(trial.state.is_finished() for trial in known):
            return known
        if not said:
            print(f"{title}: waiting for the last trials of other processes", file=sys.stderr, flush=True)
        said = True
        time.sleep(POLL_S)


def _claim(trials: Trials, space: Space, tune: Tune) -> int | None:
    """Return a trial that is now this process': one that nobody is at any more, or a new one; None: there is none."""
    with trials.locks.alone():
        known = trials.study.get_trials(deepcopy=False)
        for trial in known[: tune.trials]:
            if not trial.state.is_finished() and trials.locks.take(trial.number):
                # its process may have ended it since we looked
                if not trials.study.get_trials(deepcopy=False)[trial.number].state.is_finished():
                    return trial.number
                trials.locks.free(trial.number)
        number = len(known)
        if number >= tune.trials or not trials.locks.take(number):
            return None
        values = suggest(known, space, tune.seed, tune.random_trials)
        trials.study.add_trial(
            optuna.create_trial(state=TrialState.RUNNING, params=values, distributions=space.distributions())
        )
        return number


def _run(trials: Trials, number: int, tune: Tune, epochs: int, train: Train, title: str) -> None:
    """Run one trial to its end, and keep how it ended."""
    trial = trials.trial(number)
    known = set(trials.study.get_trials(deepcopy=False)[number].intermediate_values)

    def watch(history: Sequence[Epoch]) -> None:
        for epoch in history:
            value = getattr(epoch, tune.objective)
            if math.isnan(value):
                raise InputError(
                    f"params.yaml: tune.objective: {tune.objective} of {title} is undefined on these validation tiles"
                )
            if epoch.epoch - 1 not in known:  # Optuna counts from 0
                trial.report(value, epoch.epoch - 1)
                known.add(epoch.epoch - 1)
        trial.set_user_attr("epoch", asdict(history[-1]))
        if len(history) < epochs and trial.should_prune():
            raise optuna.TrialPruned

    try:
        fitted = train(dict(trial.params), watch)
    except optuna.TrialPruned:
        state, value = TrialState.PRUNED, None
    except TrainingFailed as error:
        trial.set_user_attr("reason", str(error))
        state, value = TrialState.FAIL, None
    else:
        trial.set_user_attr("epoch", asdict(fitted.best))
        state, value = TrialState.COMPLETE, getattr(fitted.best, tune.objective)
    trials.study.tell(number, value, state, skip_if_finished=True)
    values = f"lr {trial.params['lr']:.3g}, batch {trial.params['batch']}"
    outcome = WORDS[state] if value is None else f"{tune.objective} {value:.4f}"
    print(f"{title}: trial {number + 1} of {tune.trials}: {values}: {outcome}", file=sys.stderr, flush=True)


def table(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """Return one row per trial, in their order.

    trial from 1, lr, batch, epochs that it ran, val_accuracy, val_average_precision, val_loss (of the best epoch of a
    complete trial, of the last one of a pruned trial; NaN for a failed one), state: complete | pruned | failed.
    """
    found = []
    for trial in trials:
        scores = trial.user_attrs.get("epoch", {}) if trial.state != TrialState.FAIL else {}
        row = {"trial": trial.number + 1, **trial.params, "epochs": len(trial.intermediate_values)}
        row |= {key: scores.get(key, math.nan) for key in ("val_accuracy", "val_average_precision", "val_loss")}
        found.append(row | {"state": WORDS[trial.state]})
    return found


def summary(trials: Sequence[FrozenTrial], objective: str, title: str) -> dict[str, Any]:
    """Return how many trials ended how, and the best: highest objective, then lowest validation loss, then the first.

    Raises:
        InputError: no trial is complete.
    """
    found = table(trials)
    complete = [row for row in found if row["state"] == "complete"]
    if not complete:
        reasons = [trial.user_attrs.get("reason", "") for trial in trials]
        last = (next(filter(None, reversed(reasons)), "") or "no reason is known").removeprefix("params.yaml: ")
        raise InputError(f"params.yaml: tune: none of the {len(found)} trials of {title} came to an end; last: {last}")
    best = min(complete, key=lambda row: (-row[objective], row["val_loss"], row["trial"]))
    counts = {state: sum(row["state"] == state for row in found) for state in WORDS.values()}
    scores = {key: rounded(best[key]) for key in ("val_accuracy", "val_average_precision", "val_loss")}
    return {
        "trials": len(found),
        **counts,
        "best_trial": best["trial"],
        "lr": best["lr"],
        "batch": best["batch"],
        **scores,
    }
