"""The files below a folder, and the folder in it that holds a data set.

Links to folders are followed, every folder counts once, and what systems leave behind is passed over.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.datasets.images import IMAGE_SUFFIXES
from stages.runtime.errors import InputError

HIDDEN = "hidden"
SYSTEM = "left by an operating system"
AGAIN = "links to folders that are read already"

DEPTH = 2  # archives often wrap their content in one or two folders

# Thumbnails and settings of Windows, macOS archives and network drives, in lower case.
SYSTEM_NAMES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"})


@dataclass(frozen=True)
class Tree:
    """What lies below a folder.

    Attributes:
        files: sorted by posix path.
        passed_over: files, and folders with all that they hold, that are not looked at, by the reason.
    """

    files: tuple[Path, ...]
    passed_over: Mapping[str, tuple[Path, ...]]


def list_files(root: Path) -> Tree:
    """Return the files below `root`.

    A link to a folder is followed, so a data set may be put together from links. A folder is listed once, under its
    own path rather than a link's where both lie below `root`; a link to a folder around `root` would never end.
    Passed over: names that begin with a dot, and SYSTEM_NAMES.

    Raises:
        InputError: a folder cannot be listed.
    """
    files: list[Path] = []
    passed_over: dict[str, list[Path]] = defaultdict(list)
    around = {_identity(folder) for folder in root.resolve().parents}
    listed: set[tuple[int, int]] = set()
    folders, links = [root], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(links.index(min(links)))
        identity = _identity(folder)
        if identity in listed or identity in around:
            passed_over[AGAIN].append(folder)
            continue
        listed.add(identity)
        for entry in _entries(folder):
            path = Path(entry.path)
            if reason := _reason(entry.name):
                passed_over[reason].append(path)
            elif not _is_folder(entry):
                files.append(path)
            else:
                (links if entry.is_symlink() else folders).append(path)
    return Tree(
        tuple(sorted(files, key=Path.as_posix)),
        {reason: tuple(sorted(paths, key=Path.as_posix)) for reason, paths in sorted(passed_over.items())},
    )


def files_below(folder: Path, suffixes: frozenset[str] | None = None) -> list[Path]:
    """Return the files below `folder` (see `list_files`) with one of the (lower case) suffixes, or all.

    Raises:
        InputError: a folder cannot be listed.
    """
    return [path for path in list_files(folder).files if suffixes is None or path.suffix.lower() in suffixes]


def child_folders(folder: Path, names: Collection[str] | None = None) -> list[Path]:
    """Return the folders directly in `folder`, sorted, links to folders among them, without those passed over.

    With `names` (in lower case): those that are called so in any case (`images`, `IMAGES`).

    Raises:
        InputError: the folder cannot be listed.
    """
    entries = [entry for entry in _entries(folder) if names is None or entry.name.lower() in names]
    return sorted(Path(entry.path) for entry in entries if not _reason(entry.name) and _is_folder(entry))


def levels(root: Path, deepest: int) -> Iterator[list[Path]]:
    """Yield [root], then the folders one, two, ... `deepest` levels below it."""
    level = [root]
    for depth in range(deepest + 1):
        if depth:
            level = [child for folder in level for child in child_folders(folder)]
        yield level


def existing(root: Path, looked_for: str) -> Path:
    """Return `root`.

    Raises:
        InputError: it is missing or not a folder.
    """
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "is not there"
        raise InputError(f"{root}: {problem}; set dataset.root to a folder that has {looked_for}")
    return root


def find_layout(root: Path, matches: Callable[[Path], bool], looked_for: str) -> list[Path]:
    """Return the folders that match, sorted, at the smallest depth (root, one below, two below) that has any.

    Raises:
        InputError: root is missing or not a folder, or nothing matches; the message says what was looked for and what
            is there.
    """
    for level in levels(existing(root, looked_for), DEPTH):
        if found := [folder for folder in level if matches(folder)]:
            return found
    there = [f"{child.name}/" for child in child_folders(root)]
    listed = f"it has {', '.join(there[:5])}{' ...' if len(there) > 5 else ''}" if there else "it has no folders"
    raise InputError(
        f"{root}: no {looked_for}, neither there nor up to {DEPTH} folders below ({listed}); set dataset.root to a "
        "folder that has, or dataset.name to what it is"
    )


def only(found: list[Path], root: Path, looked_for: str) -> Path:
    """Return the one folder that was found.

    Raises:
        InputError: there are more, and the user has to choose.
    """
    if len(found) > 1:
        names = ", ".join(folder.relative_to(root).as_posix() for folder in found[:20])
        raise InputError(f"{root}: {len(found)} folders have {looked_for} ({names}); set dataset.root to one of them")
    return found[0]


def some_images(images: Sequence[Path], folder: Path) -> None:
    """Check that images were found in `folder`.

    Raises:
        InputError: there is none.
    """
    if not images:
        raise InputError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))}) in it or below; see dataset.root")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or error}); check dataset.root") from None


def _reason(name: str) -> str | None:
    if name.startswith("."):
        return HIDDEN
    return SYSTEM if name.lower() in SYSTEM_NAMES else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: reading it says so
        return False


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or error}); check dataset.root") from None
    return status.st_dev, status.st_ino
