"""Where trials are kept: both places give the same search, processes share one, what a killed one began is finished."""

import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from stages.runtime.errors import InputError
from stages.training.trials import open_trials
from tests.dependencies import REPOSITORY
from tests.models.tiny import tiny_project
from tests.training.searches import DATABASE, NEEDS_DATABASE, peak, searched

CNN = {"cnn": {"family": "cnn", "arch": "test_efficientnet", "stride": 16}}
PLACES = [pytest.param(None, id="file"), pytest.param(DATABASE, id="postgresql", marks=NEEDS_DATABASE)]


def drive(folder: Path, *arguments: str) -> str:
    """Return what the driver printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.training.killed_search", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, text=True, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("place", PLACES)
def test_a_trials_lock_is_of_one_process_and_free_when_it_lets_go(
    place: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = uuid.uuid4().hex
    with open_trials(study, place) as other:
        with open_trials(study, place) as one:
            assert one.locks.take(3) and not other.locks.take(3) and other.locks.take(4)
            one.locks.free(3)
            assert other.locks.take(3) and one.locks.take(5)
        # goes with the one that held it, as soon as the server has noticed
        assert any(other.locks.take(5) or time.sleep(0.01) for _ in range(1000))


@NEEDS_DATABASE
def test_a_database_gives_the_same_search_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert searched(uuid.uuid4().hex, storage=DATABASE) == searched("file")


def test_a_killed_search_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    tiny_project(tmp_path, CNN, {"epochs": 5}, tune={"trials": 4, "random_trials": 2, "batch": [4, 8]})
    said = re.search(r"2 kills in the middle of a trial, .* same bytes", drive(tmp_path, "alone", "2"))
    assert said


@NEEDS_DATABASE
def test_two_processes_search_together_and_one_goes_on_with_what_a_killed_one_began(tmp_path: Path) -> None:
    tune = {"trials": 6, "random_trials": 2, "batch": [4, 8], "storage": DATABASE, "seed": uuid.uuid4().int % 2**60}
    for place in ("a", "b"):
        tiny_project(tmp_path / place, CNN, {"epochs": 5}, tune=tune)
    said = drive(tmp_path, "together")
    assert "6 trials in two processes" in said and "6 trials though one was killed" in said


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "database none on 127.0.0.1: .*refused"),
        ("postgresql://nobody:secret@127.0.0.1:port/none", "is not an address; expected postgresql"),
    ],
)
def test_a_database_out_of_reach_ends_in_one_line_without_the_password(url: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"^params.yaml: tune.storage.*{message}") as caught, open_trials("s", url):
        pass
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


@NEEDS_DATABASE
def test_a_database_that_is_lost_ends_the_search_in_one_line_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[dict[str, Any]] = []
    study = uuid.uuid4().hex

    def lost_in_the_third(values: dict[str, Any]) -> list[float]:
        if len(calls) == 3:
            assert DATABASE
            engine = sqlalchemy.create_engine(DATABASE)
            with engine.connect() as connection:
                others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
                connection.execute(sqlalchemy.text(f"SELECT pg_terminate_backend(pid) {others}"))
            engine.dispose()
        return peak(values)

    with pytest.raises(
        InputError, match=r"^params.yaml: tune.storage: database postgres on .*once it answers, the sea"
    ):
        searched(study, lost_in_the_third, calls, storage=DATABASE)
    assert searched(study, storage=DATABASE) == searched("file")


@NEEDS_DATABASE
def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    assert DATABASE
    wrong = re.sub(r":[^:@]+@", ":wrong@", DATABASE)
    with pytest.raises(InputError, match="password authentication failed"), open_trials("s", wrong):
        pass
