"""Stage time: milliseconds of forward and of forward + explanation for single images, and where it was measured."""

import platform
from dataclasses import asdict

import numpy as np
import timm
import torch

from stages.datasets.tiles import open_tiles
from stages.explainers import cam, rollout
from stages.models.batches import to_images
from stages.models.cnn import CamClassifier
from stages.models.latency import measure
from stages.models.rollout import settings_grid
from stages.models.trained import load_classifier
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device, describe_device
from stages.runtime.params import Params
from stages.runtime.paths import metrics_file, model_folder, tiles_folder
from stages.runtime.records import write_json

# Always the same settings (the thesis' figure 3.10 has 3 x 10), so that times compare whatever the explain stage does.
PLAIN = settings_grid(("mean",), (0.0,))
SWEEP = settings_grid(("min", "mean", "max"), tuple(step / 10 for step in range(10)))


@torch.inference_mode()
def time(params: Params, name: str) -> str:
    """Time the model `name` on one real tile; write metrics/time/<model>.json."""
    device = choose_device(params.runtime.device)
    model, _ = load_classifier(model_folder(name))
    model.to(device)
    images = to_images(open_tiles(tiles_folder(params.dataset.name)).images(np.arange(1)), device)
    calls = {"forward": lambda: model(images)}
    if isinstance(model, CamClassifier):
        calls["cam"] = lambda: cam.explain(model, images)
    else:
        calls["rollout"] = lambda: rollout.explain(model, images, settings=PLAIN)
        calls[f"rollout_sweep_{len(SWEEP)}"] = lambda: rollout.explain(model, images, settings=SWEEP)
    latencies = measure(calls, params.time.warmup, params.time.repeats, device)

    forward = latencies["forward"].median_ms
    content: dict[str, object] = {call: asdict(latency) for call, latency in latencies.items()}
    content["ratio"] = {call: value.median_ms / forward for call, value in latencies.items() if call != "forward"}
    content["measured_on"] = {
        "device": describe_device(device),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "image_px": images.shape[-1],
        "repeats": params.time.repeats,
    }
    write_json(metrics_file("time", name), {name: content})
    with_heatmap = list(latencies.values())[1]
    return f"time {name}: forward {forward:.1f} ms, with heatmap {with_heatmap.median_ms:.1f} ms (medians)"


if __name__ == "__main__":
    run_model_stage(time, __doc__)
