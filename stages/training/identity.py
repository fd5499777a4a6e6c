"""Which training or search it is: a hash of all that defines it, under which an unfinished one is found again.

A run with another definition, other tiles, other code or other libraries has another hash, and never sees the state.
"""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from lightning_fabric import Fabric

from stages.models.trained import Description
from stages.records.hashes import code_of, file_sha256, fingerprint
from stages.records.paths import split_file, tiles_folder
from stages.runtime.errors import InputError
from stages.training.settings import Training

ROOMS = ("classification", "models", "records", "runtime", "training")  # whose code a training runs
LIBRARIES = ("torch", "timm", "numpy", "lightning-fabric")


def hash_tiles(dataset_name: str, *truths: str) -> list[str]:
    """Return the hashes of the files with a data set's tiles and their split: of their contents, not their times.

    Args:
        dataset_name: of the data set.
        truths: the kinds of truth that count, too.

    Raises:
        InputError: a file is missing.
    """
    folder = tiles_folder(dataset_name)
    shards = (file for kind in ("images", *truths) for file in folder.glob(f"{kind}-*.npy"))
    files = [split_file(dataset_name), folder / "index.parquet", *shards]
    try:
        return [f"{file.name} {file_sha256(file)}" for file in sorted(files)]
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing; run `dvc repro`") from None


def hash_training(
    description: Description, training: Training, fabric: Fabric, tiles: list[str], learned: str = "classes"
) -> str:
    """Return the hash of a training.

    Args:
        description: of the classifier before its first epoch.
        training: every number of the recipe.
        fabric: the engine, which has the kind of device and the number of processes.
        tiles: what `hash_tiles` returned.
        learned: classes | cells.
    """
    run = {"training": asdict(training), "device": fabric.device.type, "processes": fabric.world_size}
    run |= {} if learned == "classes" else {"learned": learned}
    return hash_definition(asdict(description) | run, tiles)


def hash_definition(definition: Mapping[str, Any], tiles: list[str]) -> str:
    """Return 16 hexadecimal digits for a definition (plain values), its tiles, the project's code and the libraries."""
    return fingerprint(definition, tiles, {name: version(name) for name in LIBRARIES}, *code_of(*ROOMS))
