"""What folders and files are called in data sets, and finding a layout in the user's folder or a little below it."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from pathlib import Path, PurePath
from typing import Literal

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES, SourceImage
from stages.datasets.settings import GOOD_NAMES
from stages.datasets.tree import child_folders, files_below
from stages.runtime.errors import InputError

DEPTH = 2  # archives often wrap their content in one or two folders
GOOD = "good"  # the class of what has no defect; no kind of defect may be called so

PICTURE_SUFFIXES = IMAGE_SUFFIXES | UNREAD_SUFFIXES

# Names of folders, in lower case.
IMAGE_FOLDERS = frozenset({"images", "image", "imgs", "img", "jpegimages"})
ANNOTATION_FOLDERS = frozenset({"annotations", "annotation", "labels", "label", "xml", "xmls", "json", "jsons"})
MASK_FOLDERS = frozenset({"masks", "mask", "ground_truth", "groundtruth", "gt"})

Part = Literal["train", "val", "test"]
PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

_YEAR = re.compile(r"20\d\d$")
_ROBOFLOW = re.compile(r"\.rf\.\w+(?=\.\w+$)")  # what Roboflow appends to tell the augmented copies of an image apart


def find_layout(root: Path, matches: Callable[[Path], bool], looked_for: str) -> list[Path]:
    """Return the folders that match, sorted, at the smallest depth (root, one below, two below) that has any.

    Raises:
        InputError: root is missing or not a folder, or nothing matches; the message says what was looked for and what
            is there.
    """
    level = [existing(root, looked_for)]
    for _ in range(DEPTH + 1):
        found = [folder for folder in level if matches(folder)]
        if found:
            return found
        level = [child for folder in level for child in child_folders(folder)]
    there = [f"{child.name}/" for child in child_folders(root)]
    listed = f"it has {', '.join(there[:5])}{' ...' if len(there) > 5 else ''}" if there else "it has no folders"
    raise InputError(
        f"{root}: no {looked_for}, neither there nor up to {DEPTH} folders below ({listed}); set dataset.root to a "
        "folder that has, or dataset.name to what it is"
    )


def find_one_layout(root: Path, matches: Callable[[Path], bool], looked_for: str) -> Path:
    """Return the one folder that matches (see `find_layout`).

    Raises:
        InputError: none matches, or more than one does and the user has to choose.
    """
    return only(find_layout(root, matches, looked_for), root, looked_for)


def only(found: list[Path], root: Path, looked_for: str) -> Path:
    """Return the one folder that was found.

    Raises:
        InputError: there are more.
    """
    if len(found) > 1:
        names = ", ".join(folder.relative_to(root).as_posix() for folder in found[:20])
        raise InputError(f"{root}: {len(found)} folders have {looked_for} ({names}); set dataset.root to one of them")
    return found[0]


def existing(root: Path, looked_for: str) -> Path:
    """Return `root`.

    Raises:
        InputError: it is missing or not a folder.
    """
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "is not there"
        raise InputError(f"{root}: {problem}; set dataset.root to a folder that has {looked_for}")
    return root


def images_below(folder: Path) -> list[Path]:
    """Return the image files below `folder`, sorted, those among them that cannot be read, which are refused later.

    Raises:
        InputError: there is none.
    """
    return some_images(files_below(folder, PICTURE_SUFFIXES), folder)


def some_images(images: list[Path], folder: Path) -> list[Path]:
    """Return the images that were found in `folder`.

    Raises:
        InputError: there is none.
    """
    if not images:
        raise InputError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))}) in it or below; see dataset.root")
    return images


def part_of(inside: PurePath) -> Part | None:
    """Return which of the publisher's parts a path (relative to the data set) lies in: its first folder named so.

    A year may follow, as in COCO's train2017.
    """
    names = (_YEAR.sub("", name.lower()) for name in inside.parts[:-1])
    return next((PARTS[name] for name in names if name in PARTS), None)


def stem_of(path: PurePath) -> str:
    """Return a file's name without suffix, to compare names by; see `composed`."""
    return composed(path.stem)


def composed(name: str) -> str:
    """Return a name with its accents composed, which macOS writes apart from their letters."""
    return unicodedata.normalize("NFC", name)


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
            images.append(describe(path, _plain(source, path)))
        except InputError as error:
            bad.refuse(error, escaped(source))
            refused += 1
    if not images:
        raise InputError(f"{base}: all {refused} images were left out (dataset.on_bad_file: skip); correct them")
    return sorted(images, key=lambda image: image.source)


def group_of(source: str, pattern: str | None) -> str:
    """Return the group of a file name: what the parentheses of `dataset.group_pattern` match, joined by "-".

    Without parentheses it is the whole match; without a pattern every image is a group of its own, but for the
    augmented copies that Roboflow makes of an image, `<name>.rf.<digits>.jpg`, which are one.

    Raises:
        InputError: the pattern does not occur in the name.
    """
    if pattern is None:
        return _ROBOFLOW.sub("", source)
    match = re.search(pattern, source)
    if match is None:
        raise InputError(f"{source}: dataset.group_pattern {pattern!r} does not occur in this name; make it match")
    return "-".join(part for part in match.groups() if part is not None) or match.group()


def defect_name(text: str, where: str, good_names: Collection[str] = GOOD_NAMES) -> str:
    """Return the name of a kind of defect, its accents composed, without white space around it.

    Raises:
        InputError: it is empty, not printable, longer than 100 characters, or means good.
    """
    name = composed(text.strip())
    if not name:
        raise InputError(f"{where} is missing; name the kind of defect")
    if means_good(name, good_names):
        raise InputError(
            f"{where} is {name!r}, which cannot be a kind of defect because it means good (dataset.good_names); "
            "rename it, or take it out where it marks nothing wrong"
        )
    if len(name) > 100 or not printable(name):
        raise InputError(f"{where} is {escaped(name)[:100]!r}, which cannot be a kind of defect; rename it")
    return name


def means_good(name: str, good_names: Collection[str]) -> bool:
    """Return whether a folder or label of this name means good: "good" or one of `good_names`, in any case."""
    return name.casefold() in {GOOD, *(good.casefold() for good in good_names)}


def printable(text: str) -> bool:
    """Return whether every character is printable or a space of any width, as macOS and Japanese file names have."""
    return all(letter.isprintable() or unicodedata.category(letter) == "Zs" for letter in text)


def escaped(text: str) -> str:
    """Return the text, with escapes where it has characters that cannot be printed."""
    return text if printable(text) else ascii(text)[1:-1]


def _plain(source: str, path: Path) -> str:
    if not printable(source):  # a line break would break records, a name that is not UTF-8 cannot be written to them
        raise InputError(f"{escaped(str(path))}: the name has characters that cannot be printed; rename it")
    return source
