"""`make bench`: what a heatmap costs, side by side in one run, as ratio to the plain forward pass of the same model.

Single images and batches of 16, medians of repeats taken in turns after a warm-up; prints a table and writes
metrics/bench.json. Random weights: time does not depend on them.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from stages.explainers import cam, rollout
from stages.models.cnn import CamClassifier
from stages.models.latency import measure
from stages.models.registry import ARCHITECTURES
from stages.models.rollout import settings_grid
from stages.models.trained import channels_last
from stages.models.weights import build_classifier
from stages.runtime.device import choose_device, describe_device
from stages.runtime.records import write_json

MODELS = ("efficientnet_lite0", "efficientnet_lite0_d", "vit_hybrid_lite0", "DeiT_tiny_patch16_224")
FUSIONS = ("min", "mean", "max")


@torch.inference_mode()
def main() -> None:
    """Time all models and print one row for each model and batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    table: dict[str, object] = {}
    for name in MODELS:
        model = channels_last(build_classifier(ARCHITECTURES[name], 224)).eval().to(device)
        for batch in (1, 16):
            images = torch.rand(batch, 3, 224, 224, device=device).contiguous(memory_format=torch.channels_last)
            latencies = measure(_calls(model, images), 3, arguments.repeats, device)
            forward = latencies["forward"].median_ms
            ratios = {call: value.median_ms / forward for call, value in latencies.items()}
            table[f"{name}/{batch}"] = ratios | {"forward_ms": forward}
            columns = ", ".join(f"{call} {ratio:.2f}" for call, ratio in ratios.items() if call != "forward")
            print(f"{name:24} batch {batch:2}: forward {forward:8.1f} ms; ratios: {columns}", flush=True)
    write_json(Path("metrics/bench.json"), {"device": describe_device(device), "ratios": table})


def _calls(model: torch.nn.Module, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    calls: dict[str, Callable[[], object]] = {"forward": lambda: model(images)}
    if isinstance(model, CamClassifier):
        return calls | {"cam": lambda: cam.explain(model, images)}
    grids = {
        "rollout": settings_grid(("mean",), (0.0,)),
        "rollout, discard": settings_grid(("mean",), (0.9,)),
        "sweep 3 x 10": settings_grid(FUSIONS, tuple(step / 10 for step in range(10))),
    }
    return calls | {
        key: lambda grid=grid: rollout.explain(model, images, settings=grid)  # type: ignore[arg-type, misc]
        for key, grid in grids.items()
    }


if __name__ == "__main__":
    main()
