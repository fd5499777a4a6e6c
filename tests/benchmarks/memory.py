"""What one call needs in memory, measured in a process of its own.

Not in __main__: a process that is started anew does not import that, so it could not find the function.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from stages.models.registry import Architecture
from stages.models.trained import channels_last
from stages.models.weights import build_classifier
from stages.runtime.device import choose_device
from tests.benchmarks.calls import calls_of

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def prepare(architecture: Architecture, px: int, batch: int, device: torch.device) -> tuple[Any, torch.Tensor]:
    """Return a model with seeded random weights and a batch of random images, both in channels-last order."""
    torch.manual_seed(0)
    model = channels_last(build_classifier(architecture, px)).eval().to(device)
    return model, torch.rand(batch, 3, px, px, device=device).contiguous(memory_format=torch.channels_last)


def in_fresh_process(architecture: Architecture, px: int, batch: int, device: str, method: str) -> float | None:
    """Return `peak_mib` of a fresh process, whose memory nothing before has raised."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as executor:
        return executor.submit(peak_mib, architecture, px, batch, device, method).result()


def peak_mib(architecture: Architecture, px: int, batch: int, device: str, method: str) -> float | None:
    """Return the MiB that one call needs at its height above model and images; None where it cannot be measured."""
    where = choose_device(device)
    model, images = prepare(architecture, px, batch, where)
    call = calls_of(model, images)[method].ours
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
        before = torch.cuda.memory_allocated(where)
        call()
        return (torch.cuda.max_memory_allocated(where) - before) / 2**20
    if not CLEAR.exists():
        return None
    CLEAR.write_text("5")  # the high-water mark starts anew at what is resident now
    before = _kib("VmRSS")
    call()
    return (_kib("VmHWM") - before) / 1024


def _kib(key: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
