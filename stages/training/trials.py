"""Where the trials of a search are kept, and their locks: in a file of this machine, or in a PostgreSQL database.

Optuna keeps trials; it does not know whether the process that began one still lives. Here that is a lock that the
system frees with its process, however it ends: of a file (`stages.records.locks`), or of the database session (an
advisory lock, which the server frees when the connection ends, within a minute where a machine vanishes). A trial whose
lock is free is nobody's and goes on in the next process that asks. Optuna's heartbeat would need minutes of silence to
tell, exists for databases alone, and begins such a trial anew under another number.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from stages.records.locks import Lock, take, waited_for
from stages.records.paths import tune_folder
from stages.runtime.errors import InputError
from stages.runtime.seeds import derive_seed

ALIVE_S = {"idle": 30, "interval": 10, "count": 3}  # when TCP asks a silent peer whether it is there, and how often
CONNECT_S = 10


@dataclass
class FileLocks:
    """Locks of this process on one search, as files in its folder."""

    folder: Path
    held: dict[int, Lock] = field(default_factory=dict)  # by trial

    def alone(self) -> AbstractContextManager[None]:
        """Return a context in which no other process is, waiting for it."""
        return waited_for(self.folder / "lock")

    def take(self, trial: int) -> bool:
        """Take the lock of a trial, or return False where another process holds it."""
        lock = take(self.folder / f"{trial}.lock")
        if lock is not None:
            self.held[trial] = lock
        return lock is not None

    def free(self, trial: int) -> None:
        """Give the lock of a trial back."""
        self.held.pop(trial).free()


@dataclass
class DatabaseLocks:
    """Locks of this process on one search, as advisory locks of its connection; the methods are those of FileLocks."""

    connection: sqlalchemy.Connection
    study: str

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process is in this context: of any search, since the first makes tables that all use."""
        self._call("pg_advisory_lock", "search")
        try:
            yield
        finally:
            self._call("pg_advisory_unlock", "search")

    def take(self, trial: int) -> bool:
        """Take the lock of a trial, or return False where another process holds it."""
        return bool(self._call("pg_try_advisory_lock", self.study, trial))

    def free(self, trial: int) -> None:
        """Give the lock of a trial back."""
        self._call("pg_advisory_unlock", self.study, trial)

    def _call(self, function: str, *name: object) -> Any:
        key = derive_seed(0, "defectlens", *name)  # PostgreSQL names a lock by a whole number of 64 bits
        return self.connection.execute(sqlalchemy.text(f"SELECT {function}(:key)"), {"key": key}).scalar()


@dataclass
class Trials:
    """The trials of one search, and the locks on them."""

    study: optuna.Study
    storage: optuna.storages.BaseStorage
    locks: FileLocks | DatabaseLocks

    def trial(self, number: int) -> optuna.Trial:
        """Return a trial of any process to report to."""
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        return optuna.Trial(self.study, self.storage.get_trial_id_from_study_id_trial_number(study_id, number))


@contextmanager
def open_trials(study: str, url: str | None) -> Iterator[Trials]:
    """Open the search `study`, made where there is none: in data/tune/<study> (url None), or in a database.

    Raises:
        InputError: the database is out of reach or refuses, or is lost meanwhile (running again goes on from there).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _in_file(study) if url is None else _in_database(study, url) as trials:
        yield trials


@contextmanager
def _in_file(study: str) -> Iterator[Trials]:
    folder = tune_folder(study)
    folder.mkdir(parents=True, exist_ok=True)
    locks = FileLocks(folder)
    lock: Any = _JournalLock(folder / "journal.lock")
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log"), lock))
    try:
        yield Trials(_study(storage, study), storage, locks)
    finally:
        for trial in list(locks.held):
            locks.free(trial)


@contextmanager
def _in_database(study: str, url: str) -> Iterator[Trials]:
    address = _address(url)
    with _database_errors(f"database {address.database} on {address.host or 'localhost'}"), ExitStack() as held:
        engine = _engine(address)
        held.callback(engine.dispose)
        connection = held.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
        locks = DatabaseLocks(connection, study)
        with locks.alone():  # two processes that make the tables at once would fail
            text = address.render_as_string(hide_password=False)
            storage = optuna.storages.RDBStorage(text, engine_kwargs=_engine_options())
            held.callback(storage.engine.dispose)
            opened = _study(storage, study)
        yield Trials(opened, storage, locks)


def _study(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


class _JournalLock:
    """What Optuna locks its file with, by the system: Optuna's own lock outlives a killed process by half a minute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock: Lock | None = None

    def acquire(self) -> bool:
        self.lock = take(self.path, wait=True)
        return True

    def release(self) -> None:
        if self.lock is not None:
            self.lock.free()


def _address(url: str) -> sqlalchemy.URL:
    try:
        return sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise InputError(
            "params.yaml: tune.storage is not an address; expected postgresql+psycopg://user@host/database"
        ) from None


def _engine(address: sqlalchemy.URL) -> sqlalchemy.Engine:
    try:
        return sqlalchemy.create_engine(address, **_engine_options())
    except ImportError as error:
        raise InputError(
            f"params.yaml: tune.storage needs a driver of PostgreSQL ({error}); pip install -e '.[database]'"
        ) from None


def _engine_options() -> dict[str, Any]:
    client = {f"keepalives_{name}": value for name, value in ALIVE_S.items()}
    server = " ".join(f"-c tcp_keepalives_{name}={value}" for name, value in ALIVE_S.items())
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_S, "options": server} | client}


@contextmanager
def _database_errors(place: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())[:200]
        raise InputError(
            f"params.yaml: tune.storage: {place}: {reason}; once it answers, the search goes on where it is"
        ) from None
