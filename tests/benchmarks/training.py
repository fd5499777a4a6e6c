"""`python -m tests.benchmarks.training`: tiles per second of the training engine and of a bare PyTorch loop, in turns.

Same model, tiles, order, flips, loss and optimiser; the bare loop has no engine, no moving average, no check of the
loss and no progress bar. Both train one epoch in each repeat, in one run, so that both see the same machine; the ratio
is of medians. Random weights and random tiles: time does not depend on them.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from stages.models.batches import Labelled, draw_flips, epoch_order, flip, to_images
from stages.models.registry import ARCHITECTURES
from stages.models.trained import channels_last
from stages.models.weights import Classifier, build_classifier
from stages.runtime.device import choose_device, describe_device
from stages.runtime.params import read_params
from stages.training.engine import start_engine
from stages.training.epoch import freeze, set_training_mode, train_epoch
from stages.training.settings import Training
from stages.training.state import initial_state


@dataclass(frozen=True)
class RandomTiles:
    """Noise in memory."""

    pixels: np.ndarray

    @property
    def index(self) -> pd.DataFrame:
        """Only the names that an error would print."""
        return pd.DataFrame({"tile_id": np.arange(len(self.pixels)).astype(str)})

    def images(self, positions: np.ndarray) -> np.ndarray:
        """Return tiles as the shards do."""
        return self.pixels[positions]


def main() -> None:
    """Time both loops for each model and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="32", choices=("32", "bf16"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tiles", type=int, default=96)
    parser.add_argument("--px", type=int, default=112)
    parser.add_argument("--models", nargs="+", default=["efficientnet_lite0", "vit_hybrid_lite0"])
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    precision = 32 if arguments.precision == "32" else "bf16"
    shape = (arguments.tiles, arguments.px, arguments.px, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    tiles = Labelled(RandomTiles(pixels), np.arange(arguments.tiles) % 2, ("good", "defective"))
    params = read_params()
    for name in arguments.models:
        architecture = ARCHITECTURES[name]
        family = params.get("family")[architecture.family] | {"early_stop_patience": None, "precision": precision}
        recipe = Training(**family)
        model = channels_last(build_classifier(architecture, arguments.px)).to(device)
        loops = {
            "bare": _bare_loop(model, architecture.family, tiles, recipe, device),
            "engine": _engine_loop(model, architecture.family, tiles, recipe, device),
        }
        seconds: dict[str, list[tuple[float, float]]] = {loop: [] for loop in loops}
        for repeat in range(arguments.repeats + 1):
            for loop, epoch in loops.items():
                seconds[loop].append(_timed(epoch, repeat + 1, device))
        wall, busy = (
            {loop: statistics.median(pair[clock] for pair in values[1:]) for loop, values in seconds.items()}
            for clock in (0, 1)
        )
        print(
            f"{name} on {describe_device(device)}, {arguments.precision}: "
            f"engine {arguments.tiles / wall['engine']:.1f} "
            f"tiles/s, bare loop {arguments.tiles / wall['bare']:.1f}, ratio {wall['bare'] / wall['engine']:.3f} "
            f"(by processor time {busy['bare'] / busy['engine']:.3f})",
            flush=True,
        )


def _timed(epoch: Callable[[int], object], number: int, device: torch.device) -> tuple[float, float]:
    """Return seconds on the clock and of the processor; on a machine that others use too, only the latter compare."""
    begin, busy = time.perf_counter(), time.process_time()
    epoch(number)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin, time.process_time() - busy


def _engine_loop(
    model: Classifier, family: str, tiles: Labelled, recipe: Training, device: torch.device
) -> Callable[[int], object]:
    fabric = start_engine(device, recipe.precision)
    state = initial_state(model, family, recipe)
    shared = fabric.setup_module(model)
    return lambda number: train_epoch(state, shared, tiles, recipe, fabric, number, "engine")


def _bare_loop(
    model: Classifier, family: str, tiles: Labelled, recipe: Training, device: torch.device
) -> Callable[[int], object]:
    optimiser = initial_state(model, family, recipe).optimiser
    freeze(model, [])

    def epoch(number: int) -> None:
        set_training_mode(model)
        order = epoch_order(tiles.defective, recipe.good_per_defective, 0, number)
        random = np.random.default_rng(number)
        for start in range(0, len(order), recipe.batch):
            positions = order[start : start + recipe.batch]
            pixels = flip(tiles.tiles.images(positions), draw_flips(len(positions), random))
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                logits = model(to_images(pixels, device)).logits
            targets = torch.from_numpy(tiles.codes[positions]).to(device).float()
            loss = binary_cross_entropy_with_logits(logits.float(), targets)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    return epoch


if __name__ == "__main__":
    main()
