"""`make bench`: what a heatmap costs, beside other packages in one run, as ratio to the same model's plain forward.

Same model, same images, medians of repeats taken in turns after a warm-up, batches of 1 and 16. Memory is what a fresh
process needs above its model and images at the height of one call: on a CPU the high-water mark of its resident memory
(Linux only), on a GPU what torch's allocator handed out. Random weights: time does not depend on them. Prints a table
and writes metrics/bench.json, which git ignores: it belongs to the machine. Method -> batch -> ratio, peak_mib, peers.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from stages.explainers.latency import measure
from stages.explainers.settings import Time
from stages.models.registry import ARCHITECTURES, Architecture
from stages.records.files import write_json
from stages.runtime.device import choose_device, describe_device
from tests.benchmarks.calls import Timed, calls_of, training_steps
from tests.benchmarks.memory import in_fresh_process, prepare

MODELS = ("efficientnet_lite0", "DeiT_tiny_patch16_224")
SLOW_REPEATS = 3


def main() -> None:
    """Time all methods and print one row for each method and batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--models", nargs="*", default=MODELS, help="names of stages/models/registry.py")
    parser.add_argument("--batches", nargs="*", type=int, default=(1, 16))
    arguments = parser.parse_args()
    architectures = {name: ARCHITECTURES[name] for name in arguments.models}
    table = bench(architectures, arguments.px, tuple(arguments.batches), arguments.repeats, arguments.device)
    write_json(Path("metrics/bench.json"), table)


def bench(
    architectures: dict[str, Architecture], px: int, batches: tuple[int, ...], repeats: int, device: str
) -> dict[str, Any]:
    """Return what metrics/bench.json holds, and print it row by row."""
    where, table = choose_device(device), {}
    print(f"{describe_device(where)}, {torch.get_num_threads()} threads, {px} px, ratios to the plain forward pass")
    for name, architecture in architectures.items():
        for batch in batches:
            model, images = prepare(architecture, px, batch, where)
            plain = torch.inference_mode()(lambda model=model, images=images: model(images))
            for method, timed in calls_of(model, images).items():
                row = _ratios(timed, plain, repeats, where)
                row["peak_mib"] = in_fresh_process(architecture, px, batch, device, method)
                table.setdefault(method, {})[str(batch)] = row
                _print(name, method, batch, row)
            if architecture.family == "cnn":
                steps = {
                    key: value.median_ms
                    for key, value in measure(training_steps(model.train(), images), Time(2, repeats), where).items()
                }
                row = {"ratio": steps["head"] / steps["plain"], "peak_mib": None, "peers": {}}
                table.setdefault("training_step", {})[str(batch)] = row
                _print(name, "training_step", batch, row)
    return table


def _ratios(timed: Timed, plain: Callable[[], object], repeats: int, device: torch.device) -> dict[str, Any]:
    calls = {"plain": plain, "ours": timed.ours, **timed.peers}
    warmup, count = (1, min(repeats, SLOW_REPEATS)) if timed.slow else (3, repeats)
    medians = {call: value.median_ms for call, value in measure(calls, Time(warmup, count), device).items()}
    peers = {peer: medians[peer] / medians["plain"] for peer in timed.peers}
    return {"ratio": medians["ours"] / medians["plain"], "forward_ms": medians["plain"], "peers": peers}


def _print(model: str, method: str, batch: int, row: dict[str, Any]) -> None:
    peers = ", ".join(f"{peer} {ratio:.2f}" for peer, ratio in row["peers"].items())
    peak = "" if row["peak_mib"] is None else f"{row['peak_mib']:6.0f} MiB"
    print(f"{model:22} {method:18} batch {batch:2}: {row['ratio']:7.2f} {peak:10}  {peers}", flush=True)


if __name__ == "__main__":
    main()
