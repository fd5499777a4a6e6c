"""What names of folders and files mean, and which names images, groups and kinds of defect may have."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePath
from typing import Literal

from stages.datasets.settings import GOOD_NAMES
from stages.runtime.errors import InputError

GOOD = "good"  # the class of what has no defect; no kind of defect may be called so

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
