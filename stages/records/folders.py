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

from stages.records.locks import locked
from stages.runtime.errors import InputError

# What a user can mend: a full or read-only disk, a folder that belongs to somebody else, a file where a folder must be.
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR}

_HERE = -100  # AT_FDCWD: names are relative to the working folder
_EXCHANGE = 2  # RENAME_EXCHANGE
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


@contextmanager
def alone_at(path: Path) -> Iterator[None]:
    """Keep other processes from writing the folder `path`, and set right what a killed one left half done.

    Raises:
        InputError: another process is writing it, or the disk is full or cannot be written.
    """
    with disk_errors(path), locked(beside(path, "lock"), f"writing {path}"):
        _put_back(path)
        remove(beside(path, "new"))
        yield


def take_place(made: Path, path: Path) -> None:
    """Put the complete folder `made` in the place of `path` and remove what was there; only inside `alone_at`."""
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


def remove(folder: Path) -> None:
    """Remove a folder if it is there, as far as that is allowed; of a link the link alone."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a user can mend into an `InputError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise InputError(f"{path}: cannot be written ({error}); what was there before is intact") from error


def _put_back(path: Path) -> None:
    """Restore the earlier folder if a run ended between renaming it away and putting the new one there; else remove it.

    Nothing to do where two names can change places.
    """
    retired = beside(path, "old")
    if retired.exists() and not path.exists():
        retired.replace(path)
    remove(retired)


def beside(path: Path, what: str) -> Path:
    """Return the hidden name beside `path` for its `new`, `old` or `lock`."""
    return path.with_name(f".{path.name}.{what}")
