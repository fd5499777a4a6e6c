"""Finding a publisher's layout in the folder that the user points at, or a little below it."""

import os
from collections.abc import Callable
from pathlib import Path

from stages.datasets.images import IMAGE_SUFFIXES
from stages.runtime.errors import InputError

DEPTH = 2  # archives often wrap their content in one or two folders


def find_layout(root: Path, matches: Callable[[Path], bool], looked_for: str) -> list[Path]:
    """Return the folders that match, sorted, at the smallest depth (root, one below, two below) that has any.

    Raises:
        InputError: root is missing or not a folder, or nothing matches; the message says what was looked for.
    """
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "is not there"
        raise InputError(f"{root}: {problem}; set dataset.root to a folder that has {looked_for}")
    level = [root]
    for _ in range(DEPTH + 1):
        found = [folder for folder in level if matches(folder)]
        if found:
            return found
        level = [child for folder in level for child in child_folders(folder)]
    raise InputError(
        f"{root}: no {looked_for}, neither there nor up to {DEPTH} folders below; set dataset.root to a folder that has"
    )


def find_one_layout(root: Path, matches: Callable[[Path], bool], looked_for: str) -> Path:
    """Return the one folder that matches (see `find_layout`).

    Raises:
        InputError: none matches, or more than one does and the user has to choose.
    """
    found = find_layout(root, matches, looked_for)
    if len(found) > 1:
        names = ", ".join(folder.relative_to(root).as_posix() for folder in found)
        raise InputError(f"{root}: {len(found)} folders have {looked_for} ({names}); set dataset.root to one of them")
    return found[0]


def child_folders(folder: Path) -> list[Path]:
    """Return the folders directly in `folder`, sorted, without hidden ones.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or error}); check dataset.root") from None


def child_folder(folder: Path, name: str) -> Path | None:
    """Return the child folder of that name in any case (`images`, `IMAGES`), or None."""
    return next((child for child in child_folders(folder) if child.name.lower() == name), None)


def files_below(folder: Path, suffixes: frozenset[str] | None = None) -> list[Path]:
    """Return the files below `folder` with one of the (lower case) suffixes, or all, sorted by posix path.

    Hidden files and folders are passed over, links to folders are not followed.

    Raises:
        InputError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be listed ({error.strerror}); check dataset.root") from None

    files = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent) / name for name in names if not name.startswith(".")]
        files += [path for path in paths if suffixes is None or path.suffix.lower() in suffixes]
    return sorted(files, key=Path.as_posix)


def images_below(folder: Path) -> list[Path]:
    """Return the image files below `folder`, sorted.

    Raises:
        InputError: there is none.
    """
    images = files_below(folder, IMAGE_SUFFIXES)
    if not images:
        raise InputError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))}) in it or below; see dataset.root")
    return images
