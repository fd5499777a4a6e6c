"""How long one call takes: single images, after a warm-up, two calls in turns so that both see the same machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one call: mean, sample standard deviation and median over the repeats."""

    mean_ms: float
    std_ms: float
    median_ms: float


def measure(
    calls: dict[str, Callable[[], object]], warmup: int, repeats: int, device: torch.device
) -> dict[str, Latency]:
    """Time each call `repeats` times, alternating between them, after `warmup` rounds that are not counted."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warmup + repeats):
        for name, call in calls.items():
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            elapsed_ms = (time.perf_counter() - start) * 1000
            if number >= warmup:
                samples[name].append(elapsed_ms)
    return {
        name: Latency(float(np.mean(values)), float(np.std(values, ddof=1)), float(np.median(values)))
        for name, values in samples.items()
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
