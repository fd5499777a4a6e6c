"""Tiles a second on this device, trained and explained, for the models of a rehearsal.

In the folder of a rehearsal `python -m stages.studies.throughput` reads its tiles and trained models and prints JSON,
model -> `Throughput`. On a GPU the first epoch and batch, which start it up, are not timed.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from stages.explainers.batches import explain_batches
from stages.explainers.explainer import prepare_explainers
from stages.explainers.methods import Explain
from stages.models.batches import Labelled, epoch_order
from stages.models.trained import load_classifier
from stages.records.paths import model_folder, split_file, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.device import choose_device
from stages.runtime.params import Params, Runtime, read_params
from stages.studies.estimate import PASS_OF_STEP, Throughput
from stages.studies.smaller import recipe_of
from stages.training.engine import start_engine
from stages.training.initial import seeded_classifier, train_and_val_tiles
from stages.training.loop import fit
from stages.training.state import Epoch

CPU_TILES = 2  # that are explained to time it
NOT_KEPT: Any = SimpleNamespace(load=lambda: None, save=lambda state: None)  # a checkpoint that is none


def measure(params: Params, name: str, train: Labelled, val: Labelled, explained: Tiles) -> Throughput:
    """Train for one step of the largest batch on `train` tiles, and explain some of those to be explained."""
    device = choose_device(params.read(Runtime).device)
    on_gpu = device.type != "cpu"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train_s = _train(params, name, train, val, device, epochs=2 if on_gpu else 1)
    explain_s = _explain(params, name, explained, device, runs=2 if on_gpu else 1)
    gpu_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    recipe = recipe_of(params, name)
    visited = len(epoch_order(train.defective, recipe.good_per_defective, recipe.seed, 1))
    return Throughput(train_s, explain_s, gpu_bytes, visited + len(val.codes) * PASS_OF_STEP, len(explained))


def _train(params: Params, name: str, train: Labelled, val: Labelled, device: torch.device, epochs: int) -> float:
    """Return seconds for a tile of the last epoch, which is one step."""
    recipe = replace(recipe_of(params, name), epochs=epochs, warmup_epochs=0, good_per_defective=None)
    fabric = start_engine(device, recipe.precision)
    chosen = _of_every_class(train, recipe.batch)
    index = train.tiles.index.iloc[chosen].reset_index(drop=True)
    some = Labelled(replace(train.tiles, index=index), train.codes[chosen], train.classes)
    model, _ = seeded_classifier(params, name, recipe, some, fabric.device)
    moments = [time.perf_counter()]

    def watch(history: Sequence[Epoch]) -> None:
        moments.append(time.perf_counter())

    fit(model, params.families[name], some, val, recipe, fabric, name, NOT_KEPT, watch)
    return (moments[-1] - moments[-2]) / (len(chosen) + len(val.codes) * PASS_OF_STEP)


def _of_every_class(tiles: Labelled, count: int) -> np.ndarray:
    """Return `count` positions of tiles, the first of each class among them."""
    firsts = np.unique(tiles.codes, return_index=True)[1]
    others = np.setdiff1d(np.arange(len(tiles.codes)), firsts)
    return np.sort(np.concatenate((firsts, others))[:count])


def _explain(params: Params, name: str, tiles: Tiles, device: torch.device, runs: int) -> float:
    """Return seconds for a tile of the last batch."""
    parameters = params.read(Explain)
    model, description = load_classifier(model_folder(name))
    explainers = prepare_explainers(model, description, parameters)
    for explainer in explainers:
        explainer.model.to(device)
    rows = np.arange(min(parameters.batch if runs > 1 else CPU_TILES, len(tiles)))
    batches = explain_batches(explainers, description, tiles, [rows] * runs, device)
    begun = time.perf_counter()
    for _ in batches:
        ended, begun_last = time.perf_counter(), begun
        begun = ended
    return (ended - begun_last) / len(rows)


def measure_all(params: Params) -> dict[str, dict[str, float]]:
    """Return model -> the fields of `Throughput`, for every model."""
    train, val = train_and_val_tiles(params)
    explained = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name)).select(("val", "test"))
    return {name: asdict(measure(params, name, train, val, explained)) for name in params.models}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(json.dumps(measure_all(read_params())))
