"""Files: complete under their final name or not there at all, and the same bytes for the same content.

Numbers in JSON and CSV keep five decimals or five significant digits, whichever is more: 0.56726, 34.81204, 3.1416e-06.
So a small learning rate, p-value or loss is never 0, and large numbers keep all of their digits. `dvc metrics diff`,
`dvc metrics show` and `dvc exp show` cut what they print to five decimals (more with `--precision 8`); the files have
it.
"""

import csv
import errno
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.records.locks import waited_for
from stages.runtime.errors import InputError

DIGITS = 5
# What a user can mend: a full or read-only disk, a folder that belongs to somebody else, a file where a folder must be.
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, on any error it is removed.

    An earlier file stays intact until the new one is complete. What a killed run left behind is overwritten. A second
    process that writes the same file waits for the first.

    Args:
        path: the file to make; its folder is made where it is missing.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.new{path.suffix}")
    with disk_errors(path), waited_for(beside(path, "lock")):
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a user can mend into an `InputError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise InputError(f"{path}: cannot be written ({error}); what was there before is intact") from error


def beside(path: Path, what: str) -> Path:
    """Return the hidden name beside `path` for its `new`, `old` or `lock`."""
    return path.with_name(f".{path.name}.{what}")


def rounded(number: float) -> float:
    """Return a finite number to five decimals or five significant digits, whichever is more; never -0.0.

    Args:
        number: finite. What is 0.1 or more in size keeps five decimals.
    """
    leading = math.floor(math.log10(abs(number))) if number else 0  # place of the first digit: 0 for 1 to 9.99...
    return round(float(number), max(DIGITS, DIGITS - 1 - leading)) + 0.0


def write_json(path: Path, content: dict[str, Any], exact: bool = False) -> None:
    """Write JSON with sorted keys; undefined numbers (NaN, infinity) are null.

    Args:
        path: the file to make.
        content: of dicts, lists, texts, booleans, None, and numbers of Python, NumPy or torch.
        exact: keep every digit instead of rounding (`rounded`).
    """
    text = json.dumps(_plain(content, exact), indent=2, sort_keys=True, allow_nan=False) + "\n"
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, columns: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    """Write a table with floats `rounded`; an undefined one (NaN, infinity) is an empty field, as is None."""
    with new_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(value) for value in line] for line in lines)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing or broken, or holds something else than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run the stage that makes it (`dvc repro`)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _plain(value: Any, exact: bool = False) -> Any:
    if hasattr(value, "item"):  # a NumPy or torch scalar
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _plain(item, exact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, exact) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return number + 0.0 if exact else rounded(number)  # + 0.0 turns -0.0 into 0.0
