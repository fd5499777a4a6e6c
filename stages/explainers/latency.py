"""How long a classifier and its explainers take for single images."""

import platform
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import timm
import torch
from torch import Tensor

from stages.explainers import rollout
from stages.explainers.explainer import Explainer
from stages.explainers.settings import Time
from stages.models.outputs import Target
from stages.models.rollout import settings_grid
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.device import describe_device

SWEEP = settings_grid(("min", "mean", "max"), tuple(step / 10 for step in range(10)))  # the thesis' figure 3.10

Call = TypeVar("Call", bound=Hashable)


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one call: mean, sample standard deviation and median over the repeats."""

    mean_ms: float
    std_ms: float
    median_ms: float
    repeats: int


@torch.no_grad()
def measure_explainers(
    model: Classifier, explainers: Sequence[Explainer], images: Tensor, target: Target, rounds: Time
) -> dict[str, Any]:
    """Time the forward pass, and forward + explanation of every explainer in every setting, each in calls of its own.

    A map without discarding costs less than one with it, and rank holds each explanation against the time of its own
    setting.

    Args:
        model: on the device of the images.
        explainers: of this model.
        images: (1, 3, px, px) in 0..1.
        target: the class that is explained, see `stages.models.outputs.select_score`.
        rounds: of each call; methods that take a second or more may have fewer.

    Returns:
        `forward`; of a ViT `rollout_sweep_30`, the thesis' 3 x 10 settings in one call whatever the parameters say, so
        that times compare; `settings`: explainer -> fusion -> discard ratio, as text. Each has the fields of `Latency`
        and `ratio`, its median over that of forward.
    """
    calls: dict[tuple[str, ...], Callable[[], object]] = {("forward",): partial(model, images)}
    if isinstance(model, RolloutClassifier):
        calls[f"rollout_sweep_{len(SWEEP)}",] = partial(rollout.explain, model, images, settings=SWEEP)
    fewer: dict[tuple[str, ...], Time] = {}
    for explainer in explainers:
        most = explainer.method.timed_at_most or rounds
        for setting, alone in explainer.one_by_one():
            call = "settings", explainer.name, setting["fusion"], f"{setting['discard']:g}"
            calls[call] = partial(alone.heatmaps, images, target)
            fewer[call] = Time(min(most.warmup, rounds.warmup), min(most.repeats, rounds.repeats))
    measured = measure(calls, rounds, images.device, fewer)
    nested: dict[str, Any] = {}
    for (*outer, last), latency in measured.items():
        place = nested
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = {**asdict(latency), "ratio": latency.median_ms / measured["forward",].median_ms}
    return nested


def measure(
    calls: Mapping[Call, Callable[[], object]],
    rounds: Time,
    device: torch.device,
    fewer: Mapping[Call, Time] | None = None,
) -> dict[Call, Latency]:
    """Time calls in turns, so that all see the same machine.

    Args:
        calls: what is timed, by name.
        rounds: of every call that `fewer` does not name.
        device: that they compute on.
        fewer: calls with rounds of their own; they drop out of the turns when these are made.

    >>> latencies = measure({"nothing": lambda: None}, Time(warmup=1, repeats=3), torch.device("cpu"))
    >>> latencies["nothing"].repeats
    3
    """
    rounds_of = {name: (fewer or {}).get(name, rounds) for name in calls}
    samples: dict[Call, list[float]] = {name: [] for name in calls}
    for number in range(max((each.warmup + each.repeats for each in rounds_of.values()), default=0)):
        for name, call in calls.items():
            if number >= rounds_of[name].warmup + rounds_of[name].repeats:
                continue
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            elapsed_ms = (time.perf_counter() - start) * 1000
            if number >= rounds_of[name].warmup:
                samples[name].append(elapsed_ms)
    return {
        name: Latency(float(np.mean(values)), float(np.std(values, ddof=1)), float(np.median(values)), len(values))
        for name, values in samples.items()
    }


def describe_machine(device: torch.device) -> dict[str, str | int]:
    """Return what the times of a device depend on: processor, threads and versions."""
    return {
        "device": describe_device(device),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
