"""Stage time: milliseconds of forward and of forward + explanation for single images, and where it was measured.

Every method of `explain.methods` is timed in every setting that the explain stage makes, each in calls of its own: a
map without discarding costs less than one with it, and rank holds each row against the time of its own setting.

metrics/time/<model>.json: forward; of a ViT rollout_sweep_30 (the thesis' 3 x 10 settings in one call, whatever params
say, so that times compare); settings: method -> fusion -> discard ratio -> times (a method that fuses nothing has its
own name for a fusion and ratio 0); measured_on. `ratio` is the median over that of forward.
"""

import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import product

import numpy as np
import timm
import torch

from stages.explainers import rollout
from stages.explainers.latency import Rounds, measure
from stages.explainers.methods import METHODS, Planned, defect_target, plan
from stages.explainers.settings import Explain, Time
from stages.models.batches import to_images
from stages.models.outputs import Target
from stages.models.rollout import settings_grid
from stages.models.trained import load_classifier
from stages.models.vit import RolloutClassifier
from stages.records.files import write_json
from stages.records.paths import metrics_file, model_folder, tiles_folder
from stages.records.tiles import open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device, describe_device
from stages.runtime.params import Params, Runtime

SWEEP = settings_grid(("min", "mean", "max"), tuple(step / 10 for step in range(10)))  # the thesis' figure 3.10
SLOW = {"occlusion": Rounds(1, 5)}  # methods that take a second or more: at most so often

Call = Callable[[], object]
Place = tuple[str, str, str]  # method, fusion, discard ratio


@torch.no_grad()
def time(params: Params, name: str) -> str:
    """Time the model `name` on one real tile; write metrics/time/<model>.json."""
    device = choose_device(params.read(Runtime).device)
    model, description = load_classifier(model_folder(name))
    model.to(device)
    images = to_images(open_tiles(tiles_folder(params.dataset_name)).images(np.arange(1)), device)
    # a binary model needs no forward pass to know that defective is explained
    target = None if description.task == "binary" else defect_target(model, images, description.classes)
    planned = plan(model, description, replace(params.read(Explain), control=False))
    settings = {place: call for method in planned for place, call in _settings(method, images, target).items()}
    fixed: dict[str, Call] = {"forward": lambda: model(images)}
    if isinstance(model, RolloutClassifier):
        fixed[f"rollout_sweep_{len(SWEEP)}"] = lambda: rollout.explain(model, images, settings=SWEEP)
    rule = params.read(Time)
    rounds = Rounds(rule.warmup, rule.repeats)
    keys = {place: ".".join(place) for place in settings}
    calls = fixed | {keys[place]: call for place, call in settings.items()}
    slow = {
        keys[place]: Rounds(min(few.warmup, rounds.warmup), min(few.repeats, rounds.repeats))
        for place in settings
        if (few := SLOW.get(place[0]))
    }
    latencies = measure(calls, rounds, device, slow)

    forward = latencies["forward"].median_ms
    times = {call: asdict(own) | {"ratio": own.median_ms / forward} for call, own in latencies.items()}
    content: dict[str, object] = {call: times[call] for call in fixed}
    content["settings"] = _nested({place: times[key] for place, key in keys.items()})
    content["measured_on"] = {
        "device": describe_device(device),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "image_px": images.shape[-1],
    }
    write_json(metrics_file("time", name), {name: content})
    own = [latencies[key].median_ms for place, key in keys.items() if place[0] == planned[0].name]
    spread = f"{min(own):.1f}" if len(own) == 1 else f"{min(own):.1f} to {max(own):.1f}"
    return f"time {name}: forward {forward:.1f} ms, with {planned[0].name} {spread} ms (medians)"


def _settings(method: Planned, images: torch.Tensor, target: Target) -> dict[Place, Call]:
    """Return a call for each setting of a method, which makes the map of that setting alone."""
    if not METHODS[method.name].grid:
        return {(method.name, method.name, "0"): lambda: method.heatmaps(images, target)}
    explain, calls = method.explain, dict[Place, Call]()
    for fusion, discard in product(explain.fusion, explain.discard):
        own = replace(method, explain=replace(explain, fusion=(fusion,), discard=(discard,)))
        calls[method.name, fusion, f"{discard:g}"] = partial(own.heatmaps, images, target)
    return calls


def _nested(found: dict[Place, dict[str, float]]) -> dict[str, dict[str, dict[str, object]]]:
    nested: dict[str, dict[str, dict[str, object]]] = {}
    for (method, fusion, discard), values in found.items():
        nested.setdefault(method, {}).setdefault(fusion, {})[discard] = values
    return nested


if __name__ == "__main__":
    run_model_stage(time, "Time single images: one forward pass, and one with each explanation in each setting.")
