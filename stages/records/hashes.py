"""SHA-256 of files, of pixels, and of all that defines a run."""

import hashlib
import json
from pathlib import Path

import numpy as np

STAGES = Path(__file__).parents[1]
SHORT_DIGITS = 16  # 64 bits: among a million values two are alike by chance with a probability of 3e-8


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Args:
        path: the file; it is read in pieces, so it may be larger than the memory.

    Returns:
        64 hexadecimal digits, as `sha256sum` prints them.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixels_sha(pixels: np.ndarray) -> str:
    """Return a name for pixels that two arrays share only if shape and values are the same.

    SHA-256 because processors have instructions for it: two to five times as fast as BLAKE2b here.

    Args:
        pixels: uint8 of any shape.

    Returns:
        The first 16 hexadecimal digits of SHA-256 over shape and values.
    """
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:SHORT_DIGITS]


def fingerprint(*parts: object) -> str:
    """Return a name for a run, which changes with anything that defines it.

    Args:
        parts: of a `Path` the file's content counts; of anything else what JSON says of it, or `str` where JSON cannot.

    Returns:
        16 hexadecimal digits.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for part in parts:
        text = file_sha256(part) if isinstance(part, Path) else json.dumps(part, sort_keys=True, default=str)
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:SHORT_DIGITS]


def code_of(*rooms: str) -> list[Path]:
    """Return the Python files of rooms, for the `fingerprint` of a run that may go on only with the same code."""
    return [file for room in rooms for file in sorted((STAGES / room).rglob("*.py"))]
