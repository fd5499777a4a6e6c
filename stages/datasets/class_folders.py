"""Finding folders that say by their names whether their images are good or defective."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stages.datasets.images import PICTURE_SUFFIXES
from stages.datasets.matching import sort_files
from stages.datasets.names import ANNOTATION_FOLDERS, IMAGE_FOLDERS, MASK_FOLDERS, PARTS, Part, means_good, part_of
from stages.datasets.tree import DEPTH, child_folders, files_below, find_layout, levels, only, some_images
from stages.runtime.errors import InputError

LOOKED_FOR = "folders good/ and defective/, or alike (dataset.good_names)"

# Folders of defective images that do not say of which kind, in lower case.
DEFECTIVE_NAMES = frozenset(
    {"defective", "defect", "defects", "bad", "nok", "not_ok", "ng", "anomaly", "anomalies", "abnormal", "positive"}
    | {"anomalous", "faulty", "fail", "reject"}
)
_NO_CLASS = IMAGE_FOLDERS | ANNOTATION_FOLDERS | MASK_FOLDERS | PARTS.keys()

Label = Literal["good", "defective"]
Classes = list[tuple[Path, Literal["good", "defective", "kind"]]]  # folders and what their names mean


@dataclass(frozen=True)
class Naming:
    """What names of folders mean, in any case.

    Attributes:
        good: names of folders of good images.
        defective: names of folders of defective images.
        kinds: other names are kinds of defect, in a folder of defective images or where there is none.
        with_good: there are folders of good images.
    """

    good: frozenset[str]
    defective: frozenset[str] = DEFECTIVE_NAMES
    kinds: bool = True
    with_good: bool = True


@dataclass(frozen=True)
class Place:
    """What the place of an image says: its label, kind of defect ("" unknown), class folder and publisher's part."""

    label: Label
    kind: str
    folder: Path
    official: Part | None


def find_places(root: Path, naming: Naming, looked_for: str) -> tuple[Path, dict[Path, Place]]:
    """Return the folder that names of images are relative to, and the place of every image.

    Looked for at `root`, one and two folders below: a folder with good and defective images; or one whose train/,
    val/ and test/ have both together; last, if `naming.kinds`, the same without good images.

    Raises:
        InputError: nothing is found, several folders are that are not the parts of one data set, or a folder of good
            or defective images is empty.
    """
    found, naming = _find(root, naming, looked_for)
    if not naming.kinds:  # a published archive, which may hold its images once more without parts
        found = [folder for folder in found if None not in _parts(folder, naming)] or found
    base = only(found, root, looked_for)
    places: dict[Path, Place] = {}
    for part, classes in _parts(base, naming).items():
        for folder, meaning in classes:
            images = sort_files(files_below(folder), base, "").images
            some_images(images, folder)
            for path in images:
                inside = path.relative_to(folder)
                kind = folder.name if meaning == "kind" else ""
                if meaning == "defective" and naming.kinds:
                    kind = next((name for name in inside.parts[:-1] if name.lower() not in _NO_CLASS), "")
                # good/train and scratch/train instead of train/good and train/scratch
                official = part or (part_of(inside) if naming.kinds else None)
                places[path] = Place("good" if meaning == "good" else "defective", kind, folder, official)
    return base, places


def refused_kinds(places: Iterable[Place]) -> list[Path]:
    """Return the folders with pictures that lie where kinds of defect do but are called as those of truths."""
    places = list(places)
    around = {place.folder.parent for place in places}
    around |= {place.folder for place in places if place.folder.name.lower() in DEFECTIVE_NAMES}
    return sorted({child for folder in around for child in _refused(folder)})


def no_kind(folder: Path, base: Path) -> str:
    """Return the words for a folder of `refused_kinds`."""
    return (
        f"{folder.relative_to(base).as_posix()}/ does not count as a kind of defect, since folders called so hold "
        "annotations or masks; rename it if it is one"
    )


def _refused(folder: Path) -> list[Path]:
    children = child_folders(folder, ANNOTATION_FOLDERS | MASK_FOLDERS)
    return [child for child in children if files_below(child, PICTURE_SUFFIXES)]


def _find(root: Path, naming: Naming, looked_for: str) -> tuple[list[Path], Naming]:
    """Return the folders that are such a data set, and whether that is one with good images."""

    def search(naming: Naming) -> list[Path]:
        def matches(folder: Path) -> bool:
            alone = folder != root and folder.name.lower() in PARTS  # a part is no data set of its own
            return not alone and bool(_parts(folder, naming))

        return find_layout(root, matches, looked_for)

    try:
        return search(naming), naming
    except InputError as error:
        if not naming.kinds or not root.is_dir():
            raise
        without_good = replace(naming, with_good=False)
        try:
            return search(without_good), without_good
        except InputError:
            pass
        beside_good = [
            child
            for level in levels(root, DEPTH)
            for folder in level
            if any(means_good(other.name, naming.good) for other in child_folders(folder))
            for child in _refused(folder)
        ]
        if beside_good:
            raise InputError(f"{error}; {no_kind(beside_good[0], root)}") from None
        raise


def _parts(folder: Path, naming: Naming) -> dict[Part | None, Classes]:
    """Return the class folders of each part ({None: ...} without parts); none where it is no such data set.

    A folder `images` may lie between (VisA: Images/Normal beside Masks/).
    """
    for base in (folder, *child_folders(folder, IMAGE_FOLDERS)):
        whole = _classes(base, naming)
        if _complete([whole], naming):
            return {None: whole}
        parts: dict[Part | None, Classes] = {
            PARTS[child.name.lower()]: _classes(child, naming)
            for child in child_folders(base)
            if child.name.lower() in PARTS
        }
        whole_parts = naming.kinds or all(_complete([classes], naming) for classes in parts.values())
        if whole_parts and _complete(parts.values(), naming):
            _check_rest(base, naming)
            return {part: classes for part, classes in parts.items() if classes}
    return {}


def _complete(found: Iterable[Classes], naming: Naming) -> bool:
    """Return whether class folders (of all parts) make a data set: good and others, or else several kinds."""
    meanings = [[meaning for _, meaning in classes] for classes in found]
    if naming.with_good:
        together = {meaning for part in meanings for meaning in part}
        return "good" in together and len(together) > 1
    return any("defective" in part or len(part) > 1 for part in meanings)


def _classes(folder: Path, naming: Naming) -> Classes:
    children = child_folders(folder)
    good = [child for child in children if naming.with_good and means_good(child.name, naming.good)]
    defective = [child for child in children if child.name.lower() in naming.defective]
    kinds: list[Path] = []
    if naming.kinds and not defective and (good or not naming.with_good):
        rest = [child for child in children if child not in good and child.name.lower() not in _NO_CLASS]
        kinds = [child for child in rest if files_below(child, PICTURE_SUFFIXES)]
    return [
        *((child, "good") for child in good),
        *((child, "defective") for child in defective),
        *((child, "kind") for child in kinds),
    ]


def _check_rest(base: Path, naming: Naming) -> None:
    """Refuse a folder beside train/ and test/ that is a data set of its own."""
    children = child_folders(base)
    others = [
        child for child in children if child.name.lower() not in PARTS and _complete([_classes(child, naming)], naming)
    ]
    if others:
        only(sorted(others + [child for child in children if child.name.lower() in PARTS]), base, LOOKED_FOR)
