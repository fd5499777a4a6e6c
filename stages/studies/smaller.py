"""What a rehearsal changes of a study: how much is done, never how."""

import copy
from collections.abc import Callable
from typing import Any

from stages.runtime.params import Params
from stages.tiling.settings import Split, Tile
from stages.training.settings import Training, read_training, tuned_keys
from stages.training.tuning import Tune

DESIGNS = 6  # of generated boards: two for each split
TRIALS = 2
LEAST = {  # what is drawn, perturbed and timed
    "draw": {"gallery_tiles": 2, "methods_tiles": 2},
    "perturb": {"tiles": 2, "steps": 2},
    "rank": {"resamples": 100},
    "time": {"warmup": 1, "repeats": 2},
}


def smaller(params: Params, weights_at_hand: Callable[[str], str]) -> dict[str, Any]:
    """Return the content of params.yaml for a rehearsal, but for `dataset.images`.

    One epoch (of each phase, where the head is trained first), two trials, few tiles perturbed and drawn; tiles, split,
    models, heads, batches and explanations as they are.

    Args:
        params: of the study.
        weights_at_hand: model -> where its first weights can be had without a network, a value of `weights`.
    """
    content: dict[str, Any] = copy.deepcopy(dict(params.content))
    for section, values in LEAST.items():
        content[section] |= values
    content["boards"]["designs"] = min(DESIGNS, content["boards"]["designs"])
    content["tune"] |= {"trials": min(TRIALS, params.read(Tune).trials), "random_trials": 1, "epochs": None}
    content["model"] |= dict.fromkeys(("epochs", "warmup_epochs", "weights"))
    for name, entry in content["models"].items():
        warmup = min(1, recipe_of(params, name).warmup_epochs)
        entry |= {"epochs": warmup + 1, "warmup_epochs": warmup, "weights": weights_at_hand(name)}
    return content


def recipe_of(params: Params, name: str) -> Training:
    """Return how a model is trained; `tuned` are the largest batch of the search and its lowest learning rate."""
    tune = params.read(Tune)
    found = {"lr": getattr(tune.lr, params.families[name])[0], "batch": max(tune.batch)}
    return read_training(params, name, {key: found[key] for key in tuned_keys(params, name)})


def first_images(params: Params) -> int:
    """Return how many images a rehearsal begins with: few that are cut up, or some of each of up to six kinds."""
    if params.read(Tile).mode == "resize":
        return 36
    return 2 if params.read(Split).by == "tile" else 6


def train_tiles_wanted(params: Params) -> int:
    """Return how many train tiles there must be: one step of the largest batch."""
    batches = [recipe_of(params, name).batch for name in params.models]
    return max(batches + (list(params.read(Tune).batch) if params.read(Tune).trials else []))
