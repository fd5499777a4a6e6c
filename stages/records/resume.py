"""Work that goes on where a killed run stopped: a folder that stays until it is complete, named by what defines it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.records.folders import alone_at, remove, take_place


def fingerprint(*parts: object) -> str:
    """Return 16 hexadecimal digits that change with any part: a file's content, else what JSON or `str` says of it."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def resumable_folder(path: Path, run: str) -> Iterator[Path]:
    """Yield a folder beside `path` that an earlier, unfinished run of the same `run` may have begun to fill.

    On success it takes the place of `path`. On an error, or when the process is killed, it stays for the next run; an
    earlier `path` stays until then, see `stages.records.folders`. What was begun under another `run` is removed and
    never read.

    Args:
        path: the folder to make.
        run: `fingerprint` of everything that defines its content.

    Raises:
        InputError: another process is at it (a killed `dvc` leaves its stage running), the disk is full, or the folder
            above cannot be written.
    """
    begun = path.with_name(f".{path.name}.{run}.part")
    with alone_at(path):
        for other in path.parent.glob(f".{path.name}.*.part"):
            if other != begun:
                remove(other)
        begun.mkdir(exist_ok=True)
        yield begun
        take_place(begun, path)
