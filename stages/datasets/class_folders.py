"""Finding folders that say by their names whether their images are good or defective."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stages.datasets.layout import (
    ANNOTATION_FOLDERS,
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    PARTS,
    PICTURE_SUFFIXES,
    Part,
    find_layout,
    means_good,
    only,
    part_of,
    some_images,
)
from stages.datasets.pairs import sort_files
from stages.datasets.tree import child_folders, files_below
from stages.runtime.errors import InputError

LOOKED_FOR = "folders good/ and defective/, or alike (dataset.good_names)"

# Folders of defective images that do not say of which kind, in lower case.
DEFECTIVE_NAMES = frozenset(
    {"defective", "defect", "defects", "bad", "nok", "not_ok", "ng", "anomaly", "anomalies", "abnormal", "positive"}
    | {"anomalous", "faulty", "fail", "reject"}
)
_NO_CLASS = IMAGE_FOLDERS | ANNOTATION_FOLDERS | MASK_FOLDERS | PARTS.keys()

Label = Literal["good", "defective"]


@dataclass(frozen=True)
class Naming:
    """What names of folders mean, in any case: good, defective, and with `kinds` those of kinds of defect."""

    good: frozenset[str]
    defective: frozenset[str] = DEFECTIVE_NAMES
    kinds: bool = True


@dataclass(frozen=True)
class Place:
    """What the place of an image says: its label, kind of defect ("" unknown), class folder and publisher's part."""

    label: Label
    kind: str
    folder: Path
    official: Part | None


@dataclass(frozen=True)
class _Classes:
    good: tuple[Path, ...]
    defective: tuple[Path, ...]  # whose folders are kinds
    kinds: tuple[Path, ...]

    def __bool__(self) -> bool:
        return bool(self.good or self.defective or self.kinds)


def find_places(root: Path, naming: Naming, looked_for: str) -> tuple[Path, dict[Path, Place]]:
    """Return the folder that names of images are relative to, and the place of every image.

    Looked for at `root`, one and two folders below: a folder with good and defective images; or one whose train/,
    val/ and test/ have both together; last, if `naming.kinds`, the same without good images.

    Raises:
        InputError: nothing is found, several folders are that are not the parts of one data set, or a folder of good
            or defective images is empty.
    """
    found = _find(root, naming, looked_for)
    if not naming.kinds:  # a published archive, which may hold its images once more without parts
        found = [folder for folder in found if None not in _parts(folder, naming, True)] or found
    base = only(found, root, looked_for)
    with_good = bool(_parts(base, naming, True))
    places: dict[Path, Place] = {}
    for part, classes in _parts(base, naming, with_good).items():
        for folder in classes.good:
            places |= {path: Place("good", "", folder, part) for path in _pictures([folder], base)}
        for folder in classes.defective:
            for path in _pictures([folder], base):
                named = [name for name in path.relative_to(folder).parts[:-1] if name.lower() not in _NO_CLASS]
                places[path] = Place("defective", named[0] if named and naming.kinds else "", folder, part)
        for folder in classes.kinds:
            places |= {path: Place("defective", folder.name, folder, part) for path in _pictures([folder], base)}
    if naming.kinds:  # good/train and scratch/train instead of train/good and train/scratch
        places = {
            path: replace(at, official=at.official or part_of(path.relative_to(at.folder)))
            for path, at in places.items()
        }
    return base, places


def _find(root: Path, naming: Naming, looked_for: str) -> list[Path]:
    def matches(folder: Path, with_good: bool) -> bool:
        alone = folder != root and folder.name.lower() in PARTS  # a part is no data set of its own
        return not alone and bool(_parts(folder, naming, with_good))

    try:
        return find_layout(root, lambda folder: matches(folder, True), looked_for)
    except InputError:
        if not naming.kinds or not root.is_dir():
            raise
        try:
            return find_layout(root, lambda folder: matches(folder, False), looked_for)
        except InputError:
            pass
        raise


def _parts(folder: Path, naming: Naming, with_good: bool) -> dict[Part | None, _Classes]:
    """Return the class folders of each part ({None: ...} without parts); none where it is no such data set.

    A folder `images` may lie between (VisA: Images/Normal beside Masks/).
    """
    for base in (folder, *child_folders(folder, IMAGE_FOLDERS)):
        whole = _classes(base, naming, with_good)
        if _complete([whole], with_good):
            return {None: whole}
        parts: dict[Part | None, _Classes] = {}
        for child in child_folders(base):
            if child.name.lower() in PARTS:
                parts[PARTS[child.name.lower()]] = _classes(child, naming, with_good)
        whole_parts = naming.kinds or all(_complete([classes], with_good) for classes in parts.values())
        if whole_parts and _complete(parts.values(), with_good):
            _check_rest(base, naming, with_good)
            return {part: classes for part, classes in parts.items() if classes}
    return {}


def _complete(found: Iterable[_Classes], with_good: bool) -> bool:
    found = list(found)
    if with_good:
        return any(classes.good for classes in found) and any(classes.defective or classes.kinds for classes in found)
    return any(len(classes.kinds) > 1 or classes.defective for classes in found)


def _classes(folder: Path, naming: Naming, with_good: bool) -> _Classes:
    children = child_folders(folder)
    good = tuple(child for child in children if means_good(child.name, naming.good)) if with_good else ()
    defective = tuple(child for child in children if child.name.lower() in naming.defective)
    kinds: tuple[Path, ...] = ()
    if naming.kinds and not defective and (good or not with_good):
        rest = [child for child in children if child not in good and child.name.lower() not in _NO_CLASS]
        kinds = tuple(child for child in rest if files_below(child, PICTURE_SUFFIXES))
    return _Classes(good, defective, kinds)


def _check_rest(base: Path, naming: Naming, with_good: bool) -> None:
    """Refuse a folder beside train/ and test/ that is a data set of its own."""
    others = [
        child
        for child in child_folders(base)
        if child.name.lower() not in PARTS and _complete([_classes(child, naming, with_good)], with_good)
    ]
    if others:
        names = [child for child in child_folders(base) if child.name.lower() in PARTS] + others
        only(sorted(names), base, LOOKED_FOR)


def _pictures(folders: list[Path], base: Path) -> list[Path]:
    found = [path for folder in folders for path in sort_files(files_below(folder), base, "").images]
    return some_images(found, folders[0])
