"""How long one call takes: single images, after a warm-up, the calls in turns so that all see the same machine."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one call: mean, sample standard deviation and median over the repeats."""

    mean_ms: float
    std_ms: float
    median_ms: float
    repeats: int


@dataclass(frozen=True)
class Rounds:
    """How often a call is made: `warmup` times uncounted, then `repeats` times."""

    warmup: int
    repeats: int


def measure(
    calls: Mapping[str, Callable[[], object]],
    rounds: Rounds,
    device: torch.device,
    slow: Mapping[str, Rounds] | None = None,
) -> dict[str, Latency]:
    """Time each call, alternating between them.

    Args:
        calls: by name.
        rounds: of every call that `slow` does not name.
        slow: calls with rounds of their own; they drop out of the turns when these are made.
    """
    of = {name: (slow or {}).get(name, rounds) for name in calls}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(max((own.warmup + own.repeats for own in of.values()), default=0)):
        for name, call in calls.items():
            if number >= of[name].warmup + of[name].repeats:
                continue
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            elapsed_ms = (time.perf_counter() - start) * 1000
            if number >= of[name].warmup:
                samples[name].append(elapsed_ms)
    return {
        name: Latency(float(np.mean(values)), float(np.std(values, ddof=1)), float(np.median(values)), len(values))
        for name, values in samples.items()
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
