"""Stage explain: the heatmaps of one model for every validation and test tile in every setting, and its logits."""

import numpy as np
import torch

from stages.datasets.maps import maps_file
from stages.datasets.tiles import open_tiles
from stages.explainers import cam, rollout
from stages.models.batches import in_order, to_images
from stages.models.cnn import CamClassifier
from stages.models.outputs import Outputs
from stages.models.rollout import settings_grid
from stages.models.trained import load_classifier
from stages.models.weights import Classifier
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device
from stages.runtime.errors import InputError
from stages.runtime.params import Explain, Params
from stages.runtime.paths import maps_folder, model_folder, split_file, tiles_folder
from stages.runtime.progress import progress
from stages.runtime.records import new_folder, write_json


def explain(params: Params, name: str) -> str:
    """Explain the model `name`; write what `stages.datasets.maps` describes."""
    model, description = load_classifier(model_folder(name))
    device = choose_device(params.runtime.device)
    model.to(device)
    tiles = open_tiles(tiles_folder(params.dataset.name), split_file(params.dataset.name)).select(("val", "test"))
    batch = params.explain.batch
    method, settings = _settings(model, params.explain)
    logits = np.empty(len(tiles.index), np.float32)
    with new_folder(maps_folder(name)) as folder:
        maps: np.memmap | None = None
        for positions in progress(list(in_order(tiles, batch)), f"explain {name}"):
            outputs = _explain(model, to_images(tiles.images(positions), device), params.explain)
            assert outputs.heatmaps is not None
            heatmaps = outputs.heatmaps.float().cpu().numpy()
            if not np.isfinite(heatmaps).all():
                raise InputError(f"{model_folder(name)}: the model's heatmaps are not finite; train it again")
            if maps is None:
                shape = (len(tiles.index), *heatmaps.shape[1:])
                maps = np.lib.format.open_memmap(maps_file(folder, method), mode="w+", dtype=np.float16, shape=shape)
            maps[positions] = heatmaps
            logits[positions] = outputs.logits.float().cpu().numpy()
        assert maps is not None
        maps.flush()
        index = tiles.index[["tile_id", "split", "label"]].assign(logit=logits)
        index.to_parquet(folder / "index.parquet", index=False)
        cell_px = description["stride"] or description["px"] // shape[3]
        methods = {method: {"cell_px": cell_px, "offset_px": 0, "settings": settings}}
        content = {"model": name, "family": description["family"], "order": [method], "methods": methods}
        write_json(folder / "settings.json", content)
    return f"explain {name}: {len(tiles.index)} tiles x {len(settings)} settings, maps {shape[2]}x{shape[3]}"


def _settings(model: Classifier, explain: Explain) -> tuple[str, list[dict[str, object]]]:
    """Return the method, and what the second axis of its maps means."""
    if isinstance(model, CamClassifier):
        return "cam", [{"name": "cam", "fusion": "cam", "discard": 0.0}]
    grid = settings_grid(explain.fusion, explain.discard)
    return "rollout", [{"name": setting.name, "fusion": setting.fusion, "discard": setting.discard} for setting in grid]


@torch.inference_mode()
def _explain(model: Classifier, images: torch.Tensor, explain: Explain) -> Outputs:
    if isinstance(model, CamClassifier):
        return cam.explain(model, images)
    return rollout.explain(
        model, images, settings=settings_grid(explain.fusion, explain.discard), normalise=explain.normalise
    )


if __name__ == "__main__":
    run_model_stage(explain, __doc__)
