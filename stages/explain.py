"""Stage explain: the heatmaps of one model for every validation and test tile in every setting, and its logits."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import timm
import torch

from stages.explainers.methods import Planned, defect_target, plan
from stages.explainers.settings import Explain
from stages.heatmaps.new_maps import NewMaps
from stages.models.batches import in_order, to_images
from stages.models.outputs import Target
from stages.models.trained import channels_last, load_classifier
from stages.records.folders import resumable_folder
from stages.records.hashes import fingerprint
from stages.records.paths import maps_folder, model_folder, split_file, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Runtime
from stages.runtime.progress import progress

SHARD_BATCHES = 16  # what a killed run loses at most


def explain(params: Params, name: str) -> str:
    """Explain the model `name`; write what `stages.heatmaps.maps` describes, going on where a killed run stopped."""
    model, description = load_classifier(model_folder(name))
    device = choose_device(params.read(Runtime).device)
    settings = params.read(Explain)
    planned = plan(model, description, settings)
    for method in planned:
        channels_last(method.model).to(device)
    tiles = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name)).select(("val", "test"))
    with resumable_folder(maps_folder(name), _run(params, name, tiles, device)) as folder:
        maps = NewMaps(folder, len(tiles))
        batches = list(in_order(tiles, settings.batch))
        for number, rows in enumerate(progress(batches, f"explain {name}"), 1):
            if rows[0] < maps.done:
                continue
            images = to_images(tiles.images(rows), device)
            # a binary model needs no forward pass to know that defective is explained
            target = None if description.task == "binary" else defect_target(model, images, description.classes)
            _explain_batch(maps, rows, planned, images, target, name)
            if number % SHARD_BATCHES == 0 or number == len(batches):
                maps.commit(int(rows[-1]) + 1)
        methods = {
            method.name: {
                "cell_px": method.cell_px,
                "offset_px": method.offset_px,
                "ranges": True,
                "settings": method.settings,
            }
            for method in planned
        }
        content = {"model": name, "family": description.architecture.family, "order": list(methods), "methods": methods}
        maps.finish(tiles.index[["tile_id", "split", "label"]], description.classes, content)
    made = ", ".join(f"{method.name} x {len(method.settings)}" for method in planned)
    return f"explain {name}: {len(tiles)} tiles, {made}"


@torch.no_grad()
def _explain_batch(
    maps: NewMaps, rows: np.ndarray, planned: list[Planned], images: torch.Tensor, target: Target, name: str
) -> None:
    for method in planned:
        outputs = method.heatmaps(images, target)
        assert outputs.heatmaps is not None
        heatmaps, logits = outputs.heatmaps.float().cpu().numpy(), outputs.logits.float().cpu().numpy()
        if not (np.isfinite(heatmaps).all() and np.isfinite(logits).all()):
            raise InputError(f"{model_folder(name)}: {method.name} maps or logits are not finite; train it again")
        maps.write(method.name, rows, heatmaps)
        if method is planned[0]:
            maps.write_logits(rows, logits)


def _run(params: Params, name: str, tiles: Tiles, device: torch.device) -> str:
    """Return the fingerprint of everything that the maps depend on."""
    shards = [
        (file.name, *file.stat()[6:9:2]) for file in sorted(tiles.folder.glob("*.npy"))
    ]  # size and time of change
    code = sorted(Path(__file__).parent.rglob("*.py"))
    folder = model_folder(name)
    records = [folder / "model.json", folder / "model.safetensors", split_file(params.dataset_name)]
    about = (
        name,
        asdict(params.read(Explain)),
        str(tiles.folder),
        shards,
        device.type,
        torch.__version__,
        timm.__version__,
    )
    return fingerprint(*about, tiles.folder / "index.parquet", *records, *code)


if __name__ == "__main__":
    run_model_stage(explain, __doc__)
