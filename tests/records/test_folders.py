"""A folder that takes the place of an earlier one: a process killed at any step leaves one of the two, whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.records import folders
from stages.records.folders import exchange, new_folder, resumable_folder
from stages.runtime.errors import InputError
from tests.dependencies import REPOSITORY

# Fills a folder and dies after the n-th step that puts it into its place; without exchange as other systems are.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from stages.records import folders
from stages.records.folders import new_folder, resumable_folder

path, how, last, exchanges = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "True"
steps = -1000  # until the folder is filled

def counted(real):
    def step(*arguments, **named):
        global steps
        result = real(*arguments, **named)
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return step

if not exchanges:
    folders.exchange = lambda one, other: False
else:
    folders.exchange = counted(folders.exchange)
Path.replace = counted(Path.replace)
shutil.rmtree = counted(shutil.rmtree)
with new_folder(path) if how == "new" else resumable_folder(path, "run2") as folder:
    for name in ("a", "b"):
        (folder / name).write_text("new")
    steps = 0
print("done")
"""


def make(path: Path, how: str, run: str, text: str) -> None:
    with new_folder(path) if how == "new" else resumable_folder(path, run) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(text)


def content(path: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(path.iterdir())}


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("how", ["new", "resumable"])
def test_killed_after_any_step(tmp_path: Path, how: str, exchanges: bool) -> None:
    if exchanges and not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange two names")
    earlier, later = dict.fromkeys("ab", "earlier"), dict.fromkeys("ab", "new")
    outcomes = []
    for last in range(1, 20):
        path = tmp_path / str(last) / "maps"
        make(path, how, "run1", "earlier")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), how, str(last), str(exchanges)],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, text=True, capture_output=True,
        )  # fmt: skip
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        if exchanges:  # a reader finds one of the two
            outcomes.append(content(path))
        with pytest.raises(ZeroDivisionError):  # the next run, which fails, loses nothing, and a reader finds it
            make_nothing(path, how)
        outcomes.append(content(path))
        make(path, how, "run3", "third")
        assert content(path) == dict.fromkeys("ab", "third")
        assert [entry.name for entry in path.parent.iterdir() if ".part" not in entry.name] == ["maps"]
        if killed.returncode == 0:
            break
    assert killed.stdout == "done\n" and last > 2
    assert all(outcome in (earlier, later) for outcome in outcomes) and later in outcomes


def make_nothing(path: Path, how: str) -> None:
    with new_folder(path) if how == "new" else resumable_folder(path, "run2"):
        raise ZeroDivisionError


def can_exchange(folder: Path) -> bool:
    for name in ("one", "other"):
        (folder / name).mkdir()
    return exchange(folder / "one", folder / "other")


def test_exchange(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this file system cannot exchange two names")
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["other"]
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "absent")


def test_a_killed_resumable_run_never_takes_an_earlier_result_for_its_own(tmp_path: Path) -> None:
    """After the exchange the earlier folder must not lie under the name of what was begun."""
    path = tmp_path / "maps"
    make(path, "resumable", "run2", "earlier")
    if not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange two names")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), "resumable", "2", "True"],  # renamed, exchanged, dead
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, text=True, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL and content(path) == dict.fromkeys("ab", "new")
    with resumable_folder(path, "run2") as folder:
        assert not list(folder.iterdir())


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with new_folder(tmp_path / "tiles") as folder:
        (folder / "whole").touch()
        with (
            pytest.raises(InputError, match=rf"process {os.getpid()} is writing \S+/tiles already"),
            new_folder(tmp_path / "tiles"),
        ):
            pass
    assert [file.name for file in (tmp_path / "tiles").iterdir()] == ["whole"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_link_to_a_folder_is_replaced_and_what_it_led_to_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    make(tmp_path / "disk2", "new", "", "far")
    (tmp_path / "tiles").symlink_to(tmp_path / "disk2")
    for text in ("first", "second"):
        make(tmp_path / "tiles", "new", "", text)
        assert content(tmp_path / "tiles") == dict.fromkeys("ab", text)
    assert content(tmp_path / "disk2") == dict.fromkeys("ab", "far")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["disk2", "tiles"]


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_folder_takes_the_place_of_the_old_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "tiles"
    for name in ("first", "second"):
        with new_folder(path) as temporary:
            assert entries(temporary) == []
            (temporary / name).write_text(name)
    assert entries(path) == ["second"]
    assert entries(tmp_path) == ["tiles"]


def test_an_error_leaves_the_earlier_folder_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "tiles"
    with new_folder(path) as temporary:
        (temporary / "old").touch()
    with pytest.raises(InputError, match="bad image"), new_folder(path) as temporary:
        (temporary / "half").touch()
        raise InputError("bad image")
    assert entries(path) == ["old"]
    assert entries(tmp_path) == ["tiles"]


def test_what_a_killed_run_left_behind_does_not_get_into_the_next_result(tmp_path: Path) -> None:
    path = tmp_path / "tiles"
    leftover = tmp_path / ".tiles.new"
    leftover.mkdir()
    (leftover / "half").touch()
    with new_folder(path) as temporary:
        (temporary / "whole").touch()
    assert entries(path) == ["whole"]
    assert entries(tmp_path) == ["tiles"]


def test_an_earlier_folder_retired_by_a_killed_run_comes_back(tmp_path: Path) -> None:
    retired = tmp_path / ".tiles.old"
    retired.mkdir()
    (retired / "a").write_text("earlier")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "tiles"):
        raise RuntimeError
    assert (tmp_path / "tiles" / "a").read_text() == "earlier" and not retired.exists()


def begin(path: Path, run: str, name: str) -> None:
    with pytest.raises(RuntimeError), resumable_folder(path, run) as folder:
        (folder / name).write_text("begun", encoding="utf-8")
        raise RuntimeError("killed")


def test_the_same_run_goes_on_and_takes_the_place_when_done(tmp_path: Path) -> None:
    path = tmp_path / "maps" / "model"
    begin(path, "one", "first")
    assert not path.exists()
    with resumable_folder(path, "one") as folder:
        assert (folder / "first").read_text(encoding="utf-8") == "begun"
        (folder / "second").touch()
    assert sorted(file.name for file in path.iterdir()) == ["first", "second"]
    assert [file.name for file in path.parent.iterdir()] == ["model"]


def test_another_run_starts_anew_and_removes_what_was_begun(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with resumable_folder(path, "zero") as folder:
        (folder / "old").touch()
    begin(path, "one", "first")
    assert [file.name for file in path.iterdir()] == ["old"]  # intact while a new one is being made
    with resumable_folder(path, "two") as folder:
        assert not list(folder.iterdir())
        assert not list(tmp_path.glob(".model.one.part"))
    assert not list(path.iterdir())


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        resumable_folder(tmp_path / "model", "one"),
        pytest.raises(InputError, match=r"process \d+ is writing \S+/model already"),
        resumable_folder(tmp_path / "model", "one"),
    ):
        pass
