"""Stage time: milliseconds of one forward pass, and of one with each explanation in each setting, for single images.

Writes metrics/time/<model>.json: what `stages.explainers.latency.measure_explainers` returns, and `measured_on`, the
machine.
"""

from stages.records.paths import metrics_file, model_folder, split_file, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params, Runtime


def time(params: Params, name: str) -> str:
    """Time the model `name` on one real tile; return the line to print."""
    from dataclasses import replace

    import numpy as np

    from stages.explainers.explainer import learn_from, prepare_explainers
    from stages.explainers.latency import describe_machine, measure_explainers
    from stages.explainers.methods import Explain
    from stages.explainers.settings import Time
    from stages.explainers.target import defect_target
    from stages.models.batches import to_images
    from stages.models.trained import load_classifier
    from stages.records.files import write_json
    from stages.records.tiles import open_tiles
    from stages.runtime.device import choose_device

    device = choose_device(params.read(Runtime).device)
    model, description = load_classifier(model_folder(name))
    explainers = prepare_explainers(model, description, replace(params.read(Explain), control=False))
    model.to(device)
    for explainer in explainers:
        explainer.to(device)
    tiles = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name))
    explainers = learn_from(tiles, explainers, description, device)
    images = to_images(tiles.images(np.arange(1)), device)
    target = defect_target(model, description, images)
    times = measure_explainers(model, explainers, images, target, params.read(Time))
    machine = {**describe_machine(device), "image_px": images.shape[-1]}
    write_json(metrics_file("time", name), {name: {**times, "measured_on": machine}})
    first = explainers[0].name
    medians = [latency["median_ms"] for fusion in times["settings"][first].values() for latency in fusion.values()]
    spread = " to ".join(f"{median:.1f}" for median in sorted({min(medians), max(medians)}))
    return f"time {name}: forward {times['forward']['median_ms']:.1f} ms, with {first} {spread} ms (medians)"


if __name__ == "__main__":
    run_model_stage(time, "Time single images: one forward pass, and one with each explanation in each setting.")
