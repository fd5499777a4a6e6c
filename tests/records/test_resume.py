"""Folders that survive a kill: what is gone on with, what is thrown away, who must wait."""

from pathlib import Path

import pytest

from stages.records.resume import fingerprint, resumable_folder
from stages.runtime.errors import InputError


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


def test_fingerprint_changes_with_every_part(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a")
    prints = {fingerprint("x", 1, file), fingerprint("x", 2, file), fingerprint("x", file), fingerprint("x1", file)}
    assert fingerprint("x", 1, file) in prints
    file.write_bytes(b"b")
    prints.add(fingerprint("x", 1, file))
    assert len(prints) == 5
