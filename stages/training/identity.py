"""Which training or search it is: a hash of all that defines it, under which an unfinished one is found again.

A run with another definition, other tiles, other code or other libraries has another hash, and never sees the state.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from stages.models.trained import Description
from stages.records.paths import split_file, tiles_folder
from stages.runtime.errors import InputError
from stages.training.settings import Training

STAGES = Path(__file__).parents[1]
ROOMS = ("classification", "models", "records", "runtime", "training")  # whose code a training runs
LIBRARIES = ("torch", "timm", "numpy", "lightning-fabric")


def hash_tiles(dataset_name: str) -> list[str]:
    """Return the hashes of the files with a data set's tiles and their split: of their contents, not their times.

    Raises:
        InputError: a file is missing.
    """
    folder = tiles_folder(dataset_name)
    files = [split_file(dataset_name), folder / "index.parquet", *folder.glob("images-*.npy")]
    return [_hash_file(file) for file in sorted(files)]


def hash_training(description: Description, training: Training, fabric: Fabric, tiles: list[str]) -> str:
    """Return the hash of a training.

    Args:
        description: of the classifier before its first epoch.
        training: every number of the recipe.
        fabric: the engine, which has the kind of device and the number of processes.
        tiles: what `hash_tiles` returned.
    """
    run = {"training": asdict(training), "device": fabric.device.type, "processes": fabric.world_size}
    return hash_definition(asdict(description) | run, tiles)


def hash_definition(definition: Mapping[str, Any], tiles: list[str]) -> str:
    """Return 16 hexadecimal digits for a definition (plain values), its tiles, the project's code and the libraries."""
    code = sorted(file for room in ROOMS for file in (STAGES / room).glob("*.py"))
    whole = {
        "definition": definition,
        "tiles": tiles,
        "code": [_hash_file(file) for file in code],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run `dvc repro`") from None
