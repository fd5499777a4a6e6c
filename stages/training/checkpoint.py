"""Going on after a kill: the state of an unfinished training, outside the stage's outputs.

A training keeps its state after each epoch in data/checkpoints/<model>-<hash>/, where the hash says which training it
is (`stages.training.identity`). The folder goes when the training succeeds. A lock on that folder keeps out a process
that outlived its parent (DVC killed alone leaves the training alive); stage train holds a second one on the model's
outputs in this workspace.
"""

import io
import pickle
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from stages.records.files import new_file
from stages.records.locks import locked
from stages.records.paths import checkpoint_folder


class Checkpoint:
    """The state of one unfinished training in its folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "last.pt"

    def load(self) -> dict[str, Any] | None:
        """Return the state after the last complete epoch, tensors on the CPU, or None where there is none.

        A file that cannot be read (a disk that failed) is left out with a warning: the training starts anew.
        """
        if not self.file.is_file():
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
        buffer = io.BytesIO()  # torch hides the system's error when it writes to a file itself
        torch.save(dict(state), buffer)
        with new_file(self.file) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def remove(self) -> None:
        """Remove the folder: the training is over."""
        shutil.rmtree(self.file.parent, ignore_errors=True)


@contextmanager
def locked_checkpoint(name: str, training_hash: str, *outputs: Path) -> Iterator[Checkpoint]:
    """Hold the lock of a training of the model `name`, and those on its `outputs`; yield its checkpoint.

    Raises:
        InputError: another process holds one of them.
    """
    folder = checkpoint_folder(name, training_hash)
    with ExitStack() as held:
        for lock in (*outputs, folder / "lock"):
            held.enter_context(locked(lock, f"training {name}"))
        yield Checkpoint(folder)
