"""One process at a time: locks that the system frees with the process that holds them, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds: an open and locked file, with the number of the process in it."""

    path: Path
    descriptor: int

    def free(self) -> None:
        """Remove the file and give the lock back."""
        # Where the folder was removed meanwhile, there may by now be a file of another process under this name.
        if _is_at(self.descriptor, self.path):
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def take(path: Path, wait: bool = False) -> Lock | None:
    """Take a lock.

    The file goes when the lock is freed; so whoever has waited for it may then hold a file that is no longer there,
    while a third process has made a new one: it looks, and begins again.

    Args:
        path: the lock's file, made with its folder where it is missing.
        wait: wait while another process (or thread) holds it.

    Returns:
        The lock; None where another holds it and `wait` is False.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            continue  # another process has just removed the folder
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_at(descriptor, path):
            break
        os.close(descriptor)
    with suppress(OSError):  # a full disk: the number is only told to those who ask
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    return Lock(path, descriptor)


@contextmanager
def locked(path: Path, work: str) -> Iterator[None]:
    """Hold a lock, or refuse to go on where another process holds it.

    Args:
        path: the lock's file.
        work: what is done meanwhile, in words for the message, e.g. "training cnn".

    Raises:
        InputError: another process holds it; the message has its number.
    """
    lock = take(path)
    if lock is None:
        holder = _holder(path)
        raise InputError(
            f"{path}: process {holder} is {work} already, perhaps left over from a run that was killed; "
            f"wait for it or end it (kill {holder})"
        )
    try:
        yield
    finally:
        lock.free()


@contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Hold the lock `path`, waiting for it: for what takes others a moment only."""
    lock = take(path, wait=True)
    assert lock is not None
    try:
        yield
    finally:
        lock.free()


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except FileNotFoundError:
        return "unknown"


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
