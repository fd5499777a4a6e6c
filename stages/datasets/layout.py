"""Finding a publisher's layout in the folder that the user points at, or a little below, and describing its images."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES, SourceImage
from stages.runtime.errors import InputError

DEPTH = 2  # archives often wrap their content in one or two folders
GOOD = "good"  # the class of what has no defect; no kind of defect may be called so


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
    """Return the image files below `folder`, sorted, also those of formats that decoding will refuse by name.

    Raises:
        InputError: there is none.
    """
    images = files_below(folder, IMAGE_SUFFIXES | UNREAD_SUFFIXES)
    if not images:
        raise InputError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))}) in it or below; see dataset.root")
    return images


def describe_images(
    paths: Iterable[Path], base: Path, describe: Callable[[Path, str], SourceImage], bad: BadFiles
) -> list[SourceImage]:
    """Return describe(path, source) of every image, sorted by source: its posix path relative to `base`.

    Raises:
        InputError: an image cannot be described and bad files are not to be skipped, or all images were left out.
    """
    images, refused = [], 0
    for path in paths:
        source = path.relative_to(base).as_posix()
        try:
            images.append(describe(path, _printable(source, path)))
        except InputError as error:
            bad.refuse(error, _escaped(source))
            refused += 1
    if not images:
        raise InputError(f"{base}: all {refused} images were left out (dataset.on_bad_file: skip); correct them")
    return sorted(images, key=lambda image: image.source)


def group_of(source: str, pattern: str | None) -> str:
    """Return the group of a file name: what the parentheses of `dataset.group_pattern` match, joined by "-".

    Without parentheses it is the whole match; without a pattern every image is a group of its own.

    Raises:
        InputError: the pattern does not occur in the name.
    """
    if pattern is None:
        return source
    match = re.search(pattern, source)
    if match is None:
        raise InputError(f"{source}: dataset.group_pattern {pattern!r} does not occur in this name; make it match")
    return "-".join(part for part in match.groups() if part is not None) or match.group()


def defect_name(text: str, where: str) -> str:
    """Return the name of a kind of defect, without white space around it.

    Raises:
        InputError: it is empty, not printable, longer than 100 characters, or "good".
    """
    name = text.strip()
    if not name:
        raise InputError(f"{where} is missing; name the kind of defect")
    if name == GOOD or len(name) > 100 or not name.isprintable():
        raise InputError(f"{where} is {_escaped(name)[:100]!r}, which cannot be a kind of defect; rename it")
    return name


def _printable(source: str, path: Path) -> str:
    if not source.isprintable():  # a line break would break records, a name that is not UTF-8 cannot be written to them
        raise InputError(f"{_escaped(str(path))}: the name has characters that cannot be printed; rename it")
    return source


def _escaped(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
