"""Going on after a kill: the state of an unfinished training, outside the stage's outputs.

A training keeps its state after each epoch in data/checkpoints/<model>-<hash>/, where the hash is of everything that
defines the run: a run with another definition has another folder and never sees it. The folder goes when the training
succeeds. Two locks (`stages.records.locks`) keep out a process that outlived its parent (DVC killed alone leaves the
training alive): one on that folder, one on the model's outputs in this workspace.
"""

import hashlib
import io
import json
import pickle
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from stages.records.files import new_file
from stages.records.hashes import file_sha256
from stages.runtime.errors import InputError

PACKAGE = Path(__file__).parents[1]
CODE = (
    "train.py",
    "models/*.py",
    "runtime/*.py",
    "metrics/classification.py",
    "datasets/row_files.py",
    "datasets/shards.py",
    "datasets/tiles.py",
)
LIBRARIES = ("torch", "timm", "numpy", "lightning-fabric")


def run_hash(definition: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return 16 hexadecimal digits for a run: its definition, its data, the project's code and the libraries.

    Args:
        definition: plain values (JSON): model, parameters, origin of the first weights, ...
        files: the data that it learns from; their contents count, not their times.
    """
    code = sorted(path for pattern in CODE for path in PACKAGE.glob(pattern))
    whole = {
        "definition": definition,
        "data": [_digest(path) for path in sorted(files)],
        "code": [_digest(path) for path in code],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    try:
        return f"{path.name} {file_sha256(path)}"
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run `dvc repro`") from None


class Checkpoint:
    """The state of one unfinished training in its folder; `None` instead of a folder keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.file = folder / "last.pt" if folder else None

    def load(self) -> dict[str, Any] | None:
        """Return the state after the last complete epoch, tensors on the CPU, or None where there is none.

        A file that cannot be read (a disk that failed) is left out with a warning: the training starts anew.
        """
        if self.file is None or not self.file.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self.file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:100]
            print(f"warning: {self.file}: not readable ({reason}); training starts anew", file=sys.stderr, flush=True)
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the state; a kill at any moment leaves the old one or the new one.

        Raises:
            InputError: the disk is full or cannot be written; the old state is intact.
        """
        if self.file is None:
            return
        buffer = io.BytesIO()  # torch hides the system's error when it writes to a file itself
        torch.save(dict(state), buffer)
        with new_file(self.file) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def remove(self) -> None:
        """Remove the folder: the training succeeded."""
        if self.file is not None:
            shutil.rmtree(self.file.parent, ignore_errors=True)
