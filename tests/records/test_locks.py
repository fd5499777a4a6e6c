"""Locks: of one process at a time, among real processes, whoever removes the file meanwhile."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.records.locks import locked, take
from stages.runtime.errors import InputError
from tests.dependencies import REPOSITORY

ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}
# Takes the lock again and again. While it holds it, a second holder would find its mark there, or miss it.
CROWD = """
import os, sys, time
from pathlib import Path
from stages.records.locks import take
lock, mark = Path(sys.argv[1]), Path(sys.argv[2])
entered = 0
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    held = take(lock, wait=entered % 2 == 0)
    if held is None:
        continue
    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    mark.unlink()
    held.free()
    entered += 1
print(entered)
"""


def test_of_many_processes_one_is_in(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CROWD, str(tmp_path / "deep/a.lock"), str(tmp_path / "mark"), "1.0"]
    crowd = [
        subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [process.communicate() for process in crowd]
    assert not any(error for _, error in said)
    assert all(int(entered) > 0 for entered, _ in said)
    assert not (tmp_path / "deep/a.lock").exists()


def test_a_lock_is_removed_and_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "a.lock", "training x"):
            assert (tmp_path / "a.lock").read_text() == str(os.getpid())
        assert not (tmp_path / "a.lock").exists()


def test_the_holder_is_named(tmp_path: Path) -> None:
    message = rf"a\.lock: process {os.getpid()} is training x already, .*wait for it or end it \(kill {os.getpid()}\)"
    with (
        locked(tmp_path / "a.lock", "training x"),
        pytest.raises(InputError, match=message),
        locked(tmp_path / "a.lock", "training x"),
    ):
        pass


def test_who_waited_for_a_file_that_was_removed_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened before the holder removed it, locked after: a lock on a file that nobody else will ever find."""
    import fcntl

    path = tmp_path / "a.lock"
    first = take(path)
    assert first is not None
    real, third = fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        if not third:
            first.free()
            monkeypatch.setattr(fcntl, "flock", real)
            third.append(take(path))  # makes a new file and locks it
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert take(path) is None and third[0] is not None
    third[0].free()
    assert not path.exists()


def test_freeing_leaves_the_lock_of_another_in_a_folder_made_anew(tmp_path: Path) -> None:
    """As a finished training does: it removes its folder with the lock in it before it gives the lock back."""
    path = tmp_path / "run/lock"
    first = take(path)
    shutil.rmtree(path.parent)
    second = take(path)
    assert first is not None and second is not None
    first.free()
    assert path.exists() and take(path) is None
    second.free()


def test_nothing_else_locks_files() -> None:
    files = (REPOSITORY / "stages").rglob("*.py")
    found = [path.name for path in files if re.search(r"\bfcntl\b", path.read_text(encoding="utf-8"))]
    assert found == ["locks.py"]
