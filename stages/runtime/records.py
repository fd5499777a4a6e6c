"""Records on disk: complete under their final name or not there at all, and the same bytes for the same content."""

import csv
import errno
import json
import math
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError

DECIMALS = 5  # what `dvc metrics diff` shows by default

# What a user can mend: a full or read-only disk, a folder that belongs to somebody else, a file where a folder must be.
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, on any error it is removed.

    An earlier file stays intact until the new one is complete. What a killed run left behind is overwritten.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.new{path.suffix}")
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary empty folder beside `path`; on success it takes the place of `path`.

    An earlier folder stays intact until the new one is complete, so a failed stage loses nothing. What a killed run
    left behind is removed first.

    Raises:
        InputError: the disk is full, or the folder above cannot be written.
    """
    temporary, retired = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    with _disk_errors(path):
        _put_back(retired, path)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if path.exists():
                path.replace(retired)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            _put_back(retired, path)


def _put_back(retired: Path, path: Path) -> None:
    """Restore the earlier folder if a run ended between retiring it and putting the new one there; else remove it."""
    if retired.exists() and not path.exists():
        retired.replace(path)
    shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise InputError(f"{path}: cannot be written ({error}); what was there before is intact") from error


def write_json(path: Path, content: dict[str, Any], decimals: int | None = DECIMALS) -> None:
    """Write JSON with sorted keys, floats rounded (five decimals; None: not at all) and NaN as null."""
    text = json.dumps(_rounded(content, decimals), indent=2, sort_keys=True, allow_nan=False) + "\n"
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, columns: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    """Write a table with floats rounded to five decimals; an undefined one (NaN) is an empty field."""

    def field(value: object) -> object:
        if not isinstance(value, float):
            return value
        return "" if math.isnan(value) else round(float(value), DECIMALS)

    with new_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([field(value) for value in line] for line in lines)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing or broken file is an `InputError` that names it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run the stage that makes it (`dvc repro`)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _rounded(value: Any, decimals: int | None) -> Any:
    if hasattr(value, "item"):  # a NumPy or torch scalar
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _rounded(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item, decimals) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return (number if decimals is None else round(number, decimals)) + 0.0  # + 0.0 turns -0.0 into 0.0
