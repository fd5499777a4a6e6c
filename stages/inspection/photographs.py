"""Which photographs are meant: files, folders and patterns -> a sorted list, each with a name of its own."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.datasets.images import IMAGE_SUFFIXES, PICTURE_SUFFIXES
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Photograph:
    """A file to inspect.

    Attributes:
        path: the file.
        name: its path below the folder that all inputs have in common, with forward slashes: unique, and where its
            overlay stands below the results.
        trouble: why it cannot be inspected, where that is known without opening it.
    """

    path: Path
    name: str
    trouble: str | None = None


def find_photographs(inputs: Iterable[str], leave_out: Path) -> list[Photograph]:
    """Return the photographs of files, folders (with all folders below) and patterns, sorted by name, none twice.

    Of a folder every file with a picture's suffix counts, also of formats that are not read, so that each of these is
    refused by name; other files and hidden ones are passed over. A file that is named is tried whatever its suffix.

    Args:
        inputs: as typed: a path that exists, else a pattern (`*`, `?`, `[...]`, `**`), else the name of a missing file.
        leave_out: the folder of results, which is passed over.

    Raises:
        InputError: a pattern matches nothing, or a folder has no picture.
    """
    found: dict[str, str | None] = {}  # absolute path -> trouble
    roots = []
    for text in inputs:
        paths = [text] if os.path.lexists(text) else sorted(glob.glob(text, recursive=True))  # noqa: PTH207
        if not paths and glob.has_magic(text):
            raise InputError(f"{text}: no file matches this pattern; correct it")
        for path in paths or [text]:
            whole = os.path.abspath(path)  # noqa: PTH100 - as typed: a link keeps its own name
            if os.path.isdir(whole):  # noqa: PTH112
                roots.append(whole)
                inside = dict(walk(Path(whole), leave_out))
                if not inside:
                    raise InputError(f"{path}: no picture in this folder; it needs {', '.join(sorted(IMAGE_SUFFIXES))}")
                found |= inside
            else:
                roots.append(os.path.dirname(whole))  # noqa: PTH120
                found.setdefault(whole, None)
    base = os.path.commonpath(roots)
    photographs = [Photograph(Path(path), name_of(path, base), trouble) for path, trouble in found.items()]
    return sorted(photographs, key=lambda photograph: os.fsencode(photograph.name))


def walk(folder: Path, leave_out: Path) -> Iterator[tuple[str, str | None]]:
    """Yield path and trouble of every picture below a folder; one that cannot be listed is a trouble of its own."""
    troubles: list[OSError] = []
    unwanted = os.path.abspath(leave_out)  # noqa: PTH100
    for place, folders, files in os.walk(folder, onerror=troubles.append):
        kept = (name for name in folders if not name.startswith(".") and str(Path(place, name)) != unwanted)
        folders[:] = sorted(kept)
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                yield str(Path(place, name)), None
    for error in troubles:
        yield str(error.filename), f"the folder cannot be listed ({error.strerror}); correct its rights"


def name_of(path: str, base: str) -> str:
    """Return a path below `base` with forward slashes."""
    return PurePosixPath(Path(path).relative_to(base)).as_posix()
