"""The database that .ci/run starts for the tests: on loopback, gone afterwards; and what is said where it cannot."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests.dependencies import REPOSITORY

SCRIPT = REPOSITORY / ".ci" / "postgres"
INSTALLED = shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def postgres(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments], text=True, capture_output=True, env=os.environ | environment, check=False
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's user can reach, which those of pytest are not where root runs the tests."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o711)
        yield Path(parent) / "postgres"


@pytest.mark.skipif(not INSTALLED, reason="no initdb: `apt install postgresql` runs this test")
def test_a_server_of_its_own_that_is_gone_afterwards(folder: Path) -> None:
    started = postgres("start", str(folder))
    assert started.returncode == 0, started.stderr
    try:
        address = started.stdout.strip()
        assert re.fullmatch(r"postgresql\+psycopg://tests:[0-9a-f]{32}@127\.0\.0\.1:\d+/postgres", address)
        engine = sqlalchemy.create_engine(address)
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SHOW listen_addresses")).scalar() == "127.0.0.1"
        engine.dispose()
    finally:
        stopped = postgres("stop", str(folder))
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, "", "")
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(re.findall(r":(\d+)/", address)[0])))


def test_where_there_is_no_server_it_says_why_and_stopping_it_is_no_error(folder: Path) -> None:
    started = postgres("start", str(folder), POSTGRES_BIN="/nowhere")
    assert started.returncode == 1 and not started.stdout
    assert started.stderr == "no PostgreSQL server: /nowhere has no initdb and pg_ctl\n"
    assert not folder.exists()
    assert postgres("stop", str(folder)).returncode == 0


def test_ci_goes_on_without_it_and_its_status_is_that_of_the_tests(tmp_path: Path) -> None:
    """With a `make` that only says what it is given, and fails for `test`."""
    (tmp_path / ".ci").mkdir()
    for name in ("run", "postgres"):
        shutil.copy(REPOSITORY / ".ci" / name, tmp_path / ".ci" / name)
    fake = tmp_path / "make"
    fake.write_text('#!/bin/sh\necho "$2 ${DEFECTLENS_TEST_DATABASE-none}"\ntest "$2" != test || exit 7\n')
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "POSTGRES_BIN": "/nowhere"}
    environment.pop("DEFECTLENS_TEST_DATABASE", None)
    ran = subprocess.run([str(tmp_path / ".ci" / "run")], text=True, capture_output=True, env=environment, check=False)
    assert ran.returncode == 7
    assert ran.stdout == "lint none\ntest none\n"
    assert ran.stderr.startswith("no PostgreSQL server: ") and len(ran.stderr.splitlines()) == 1
    assert (REPOSITORY / ".ci" / "run").read_text().splitlines()[-1] == "make --no-print-directory test"
