"""The content of a plain file: its bytes, or JSON, or what is wrong with it."""

import json
import stat
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError


def read_bytes(path: Path, what: str, max_bytes: int) -> bytes:
    """Return the content of a plain file of at most `max_bytes`; `what` names it in messages ("image", "mask").

    Raises:
        InputError: the file is missing, a folder, a device or pipe (which might never end), or too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: the {what} is not a plain file; replace or remove it (dataset.root)")
        if status.st_size > max_bytes:
            raise InputError(
                f"{path}: the {what} has {status.st_size} bytes, more than {max_bytes}; replace or remove it"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the {what} cannot be read ({reason}); check dataset.root") from None


def load_json(path: Path, max_bytes: int) -> Any:
    """Return the content of a JSON file.

    Raises:
        InputError: the file cannot be read, is too large, or is not JSON (in which NaN is not a number).
    """

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a number")

    data = read_bytes(path, "annotation", max_bytes)
    try:
        return json.loads(data, parse_constant=refuse)
    except RecursionError:
        raise InputError(f"{path}: not readable as JSON (nested too deeply); correct or remove it") from None
    except ValueError as error:  # wrong JSON, wrong encoding, a number of thousands of digits
        wrong_encoding = isinstance(error, UnicodeDecodeError) and other_encoding(data)
        reason = wrong_encoding or " ".join(str(error).split())
        raise InputError(f"{path}: not readable as JSON ({reason}); correct it") from None


def other_encoding(data: bytes) -> str | None:
    """Return what is wrong with text that should be UTF-8 and is not: which encoding it seems to have; else None."""
    try:
        data.decode()
    except UnicodeDecodeError:
        try:
            data.decode("gb18030")
        except UnicodeDecodeError:
            return "it is not UTF-8"
        return "it is not UTF-8 but seems to be GBK; save it as UTF-8"
    return None
