"""What defines a run of the stage explain, so that a later one goes on where it was killed, or starts anew."""

from dataclasses import asdict

import timm
import torch

from stages.explainers.settings import ExplainCommon
from stages.records.hashes import STAGES, code_of, fingerprint
from stages.records.paths import model_folder, split_file, supervised_folder
from stages.records.tiles import Tiles

ROOMS = ("explainers", "heatmaps", "models", "records", "runtime")  # whose code the stage runs besides its own file


def explain_fingerprint(model: str, parameters: ExplainCommon, dataset: str, tiles: Tiles, device: torch.device) -> str:
    """Return 16 hexadecimal digits that change with anything that the maps of a model depend on."""
    code = [STAGES / "explain.py", *code_of(*ROOMS)]
    files = [model_folder(model) / "model.json", model_folder(model) / "model.safetensors", split_file(dataset)]
    files += sorted(supervised_folder(model).glob("*"))
    shards = [(file.name, file.stat().st_size, file.stat().st_mtime) for file in sorted(tiles.folder.glob("*.npy"))]
    versions = device.type, torch.__version__, timm.__version__
    index = tiles.folder / "index.parquet"
    return fingerprint(model, asdict(parameters), str(tiles.folder), shards, versions, index, *files, *code)
