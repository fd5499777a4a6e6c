"""Folders of results: whole under their final name or not there at all, and never a moment without the earlier one.

A folder is filled beside its place under a hidden name. In the end the two names change places in one step of the file
system (Linux: `renameat2` with RENAME_EXCHANGE), and what was there before is removed: a process killed at any moment
leaves the earlier folder or the new one under the final name. Where system or file system cannot do that (macOS, some
network disks), the earlier folder is renamed away first. A kill just between leaves it under `.<name>.old`, and the
next run puts it back before it does anything else.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.records.files import beside, disk_errors
from stages.records.locks import locked

_HERE = -100  # AT_FDCWD: names are relative to the working folder
_EXCHANGE = 2  # RENAME_EXCHANGE
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary empty folder beside `path`; on success it takes the place of `path`, on any error it goes.

    An earlier folder stays until the new one is complete, so a failed or killed stage loses nothing. What a killed run
    left behind is removed first.

    Args:
        path: the folder to make.

    Raises:
        InputError: another process is writing it, the disk is full, or the folder above cannot be written.
    """
    with _alone_at(path):
        temporary = beside(path, "new")
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _take_place(temporary, path)
        finally:
            remove(temporary)


@contextmanager
def resumable_folder(path: Path, run: str) -> Iterator[Path]:
    """Yield a folder beside `path` that an earlier, unfinished run of the same `run` may have begun to fill.

    On success it takes the place of `path`. On an error, or when the process is killed, it stays for the next run; an
    earlier `path` stays until then. What was begun under another `run` is removed and never read.

    Args:
        path: the folder to make.
        run: `stages.records.hashes.fingerprint` of everything that defines its content.

    Raises:
        InputError: another process is at it (a killed `dvc` leaves its stage running), the disk is full, or the folder
            above cannot be written.
    """
    begun = beside(path, f"{run}.part")
    with _alone_at(path):
        for other in path.parent.glob(f".{path.name}.*.part"):
            if other != begun:
                remove(other)
        begun.mkdir(exist_ok=True)
        yield begun
        _take_place(begun, path)


@contextmanager
def _alone_at(path: Path) -> Iterator[None]:
    """Keep other processes from writing the folder `path`, and set right what a killed one left half done."""
    with disk_errors(path), locked(beside(path, "lock"), f"writing {path}"):
        _put_back(path)
        remove(beside(path, "new"))
        yield


def _take_place(made: Path, path: Path) -> None:
    """Put the complete folder `made` in the place of `path` and remove what was there; only inside `_alone_at`."""
    temporary, retired = beside(path, "new"), beside(path, "old")
    if made != temporary:
        made.replace(temporary)  # under its own name an earlier folder would look like one that was begun
    if not path.exists():
        temporary.replace(path)
    elif exchange(temporary, path):
        remove(temporary)
    else:
        try:
            path.replace(retired)
            temporary.replace(path)
        finally:
            _put_back(path)


def exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; return False where system or file system cannot.

    Raises:
        OSError: one of them is missing or must not be renamed.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _put_back(path: Path) -> None:
    """Restore the earlier folder if a run ended between renaming it away and putting the new one there; else remove it.

    Nothing to do where two names can change places.
    """
    retired = beside(path, "old")
    if retired.exists() and not path.exists():
        retired.replace(path)
    remove(retired)


def remove(folder: Path) -> None:
    """Remove a folder if it is there, as far as that is allowed; of a link the link alone."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
