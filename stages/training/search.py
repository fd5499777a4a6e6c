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
from dataclasses import asdict, replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from stages.models.batches import Labelled
from stages.models.trained import Description
from stages.runtime.device import choose_device
from stages.runtime.errors import InputError, TrainingFailed
from stages.runtime.params import Params, Runtime
from stages.runtime.seeds import derive_seed
from stages.training.checkpoint import locked_checkpoint
from stages.training.engine import start_engine
from stages.training.identity import hash_definition, hash_tiles, hash_training
from stages.training.initial import seeded_classifier
from stages.training.loop import Fitted, Watch, fit
from stages.training.search_results import STATE_NAMES
from stages.training.settings import Training, read_training
from stages.training.state import Epoch
from stages.training.steps import refuse_recipe
from stages.training.trials import Trials, open_trials
from stages.training.tuning import Tune

POLL_S = 0.5  # how often to look whether another process has finished its trial
Space = dict[str, BaseDistribution]  # what `lr` and `batch` are drawn from
Train = Callable[[dict[str, Any], Watch], Fitted]


def search_space(lr: tuple[float, ...], batch: tuple[int, ...]) -> Space:
    """Return learning rates from lowest to highest, log-uniformly, and a choice of batches."""
    return {"lr": FloatDistribution(lr[0], lr[1], log=True), "batch": CategoricalDistribution(batch)}


def search_model(params: Params, name: str, train: Labelled, val: Labelled) -> Sequence[FrozenTrial]:
    """Search for the model `name` as `params.tune` says, in this process; return the trials of all processes.

    A trial is one training as stage train does it, from the same first weights and with the same seed, so training
    with the values of a trial (and its epochs) gives its scores again.

    Raises:
        InputError: as `search`, or a batch is larger than there are tiles.
    """
    family, tune = params.families[name], params.read(Tune)
    rates = getattr(tune.lr, family)
    recipe = read_training(params, name, {"lr": rates[0], "batch": max(tune.batch)})
    recipe = replace(recipe, epochs=tune.epochs or recipe.epochs)
    if max(tune.batch) > len(train.codes):
        raise InputError(
            f"params.yaml: tune.batch is {list(tune.batch)}, but there are only {len(train.codes)} train tiles"
        )
    fabric = start_engine(choose_device(params.read(Runtime).device), recipe.precision)
    tiles = hash_tiles(params.dataset_name)

    def train_with(values: dict[str, Any], watch: Watch) -> Fitted:
        training = replace(recipe, **values)
        model, description = seeded_classifier(params, name, training, train, fabric.device)
        with locked_checkpoint(name, hash_training(description, training, fabric, tiles)) as checkpoint:
            try:
                fitted = fit(model, family, train, val, training, fabric, name, checkpoint, watch)
            except (optuna.TrialPruned, TrainingFailed):
                checkpoint.remove()
                raise
            checkpoint.remove()
        return fitted

    model, description = seeded_classifier(params, name, recipe, train, fabric.device)
    for batch in tune.batch:
        refuse_recipe(model, train, replace(recipe, batch=batch), fabric.world_size)
    with open_trials(_study_name(name, description, recipe, tune, rates, tiles), tune.storage) as trials:
        return search(trials, search_space(rates, tune.batch), tune, recipe, train_with, name)


def _study_name(
    name: str, description: Description, recipe: Training, tune: Tune, rates: tuple[float, ...], tiles: list[str]
) -> str:
    """Return <model>-<hash of all that defines the search>: not how many trials, nor where they are kept."""
    searched, beside = {"lr", "batch"}, {"trials", "storage", "epochs", "lr"}
    definition = {
        "description": asdict(description),
        "training": {key: value for key, value in asdict(recipe).items() if key not in searched},
        "tune": {key: value for key, value in asdict(tune).items() if key not in beside} | {"lr": rates},
        "optuna": optuna.__version__,
    }
    return f"{name}-{hash_definition(definition, tiles)}"


def suggest(trials: Sequence[FrozenTrial], space: Space, seed: int, random_trials: int) -> dict[str, Any]:
    """Return `lr` and `batch` of the trial that comes after `trials`; those still running are kept away from."""
    sampler = optuna.samplers.TPESampler(
        seed=derive_seed(seed, "trial", len(trials)) % 2**32, n_startup_trials=random_trials
    )
    study = optuna.create_study(sampler=sampler, direction="maximize")  # in memory
    study.add_trials(trials)
    return dict(study.ask(space).params)


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
    waiting = False
    while True:
        number = _take_trial(trials, space, tune)
        if number is not None:
            try:
                _run_trial(trials, number, tune, recipe.epochs, train, title)
            except optuna.exceptions.UpdateFinishedTrialError:  # a machine that the server thought gone came back
                _say(f"{title}: trial {number + 1} was ended by another process")
            trials.locks.free(number)
            continue
        known = trials.study.get_trials(deepcopy=False)[: tune.trials]  # an earlier search may have been longer
        if all(trial.state.is_finished() for trial in known):
            return known
        if not waiting:
            _say(f"{title}: waiting for the last trials of other processes")
        waiting = True
        time.sleep(POLL_S)


def _take_trial(trials: Trials, space: Space, tune: Tune) -> int | None:
    """Lock a trial for this process, one that no process works on any more or a new one; None: there is none."""
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
        trials.study.add_trial(optuna.create_trial(state=TrialState.RUNNING, params=values, distributions=space))
        return number


def _run_trial(trials: Trials, number: int, tune: Tune, epochs: int, train: Train, title: str) -> None:
    """Run one trial to its end, and keep how it ended."""
    trial = trials.trial(number)
    reported = set(trials.study.get_trials(deepcopy=False)[number].intermediate_values)

    def watch(history: Sequence[Epoch]) -> None:
        for epoch in history:
            value = getattr(epoch, tune.objective)
            if math.isnan(value):
                raise InputError(
                    f"params.yaml: tune.objective: {tune.objective} of {title} is undefined on these validation tiles"
                )
            if epoch.epoch - 1 not in reported:  # Optuna counts from 0
                trial.report(value, epoch.epoch - 1)
                reported.add(epoch.epoch - 1)
        trial.set_user_attr("epoch", asdict(history[-1]))
        if len(history) < epochs and trial.should_prune():
            raise optuna.TrialPruned

    try:
        best = train(dict(trial.params), watch).best
    except optuna.TrialPruned:
        state, value = TrialState.PRUNED, None
    except TrainingFailed as error:
        trial.set_user_attr("reason", str(error))
        state, value = TrialState.FAIL, None
    else:
        trial.set_user_attr("epoch", asdict(best))
        state, value = TrialState.COMPLETE, getattr(best, tune.objective)
    trials.study.tell(number, value, state, skip_if_finished=True)
    values = f"lr {trial.params['lr']:.3g}, batch {trial.params['batch']}"
    outcome = STATE_NAMES[state] if value is None else f"{tune.objective} {value:.4f}"
    _say(f"{title}: trial {number + 1} of {tune.trials}: {values}: {outcome}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
