"""Data sets sorted into folders of good and defective images: the casting data set, and a factory's own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import IMAGE_SUFFIXES, Box, Polygon, SourceImage
from stages.datasets.layout import (
    GOOD,
    child_folder,
    defect_name,
    describe_images,
    files_below,
    find_layout,
    find_one_layout,
    group_of,
    images_below,
)
from stages.datasets.polygons import LABELME, bounds, read_polygons
from stages.datasets.voc import read_annotation
from stages.runtime.data_params import Dataset
from stages.runtime.errors import InputError

CASTING_LOOKED_FOR = "folders train/ and test/, each with def_front/ and ok_front/"
CASTING_LABELS = {"def_front": ("defective", "casting_defect"), "ok_front": ("good", GOOD)}
LOOKED_FOR = "folders good/ and defective/"
UNNAMED_DEFECT = "defect"  # the kind of images that lie in defective/ itself and have no annotation

ANNOTATIONS = frozenset({".xml", ".json"})

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")


def read_casting(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read the casting data set: labels by folder, the publisher's train and test; every image is its own group.

    Raises:
        InputError: the layout is missing or a folder of it has no images.
    """
    folder = find_one_layout(root, _is_casting, CASTING_LOOKED_FOR)
    places: dict[Path, tuple[Part, str]] = {
        path: (part, name) for part in PARTS for name in CASTING_LABELS for path in images_below(folder / part / name)
    }

    def describe(path: Path, source: str) -> SourceImage:
        part, name = places[path]
        label, defect_class = CASTING_LABELS[name]
        return _labelled(path, source, source, label, defect_class, part)

    return describe_images(places, folder, describe, bad)


@dataclass(frozen=True)
class _Folder:
    """One folder with good/ and defective/; `annotation` is the suffix of the files beside its images, if any."""

    good: Path
    defective: Path
    masks: Path | None
    annotation: str | None
    official: Part | None


def read_folder(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read a folder of one's own: good/ and defective/, directly or in train/ and test/ (which are then kept apart).

    Folders in defective/ name the kind of defect. Truth, where there is any: masks/ with a mask for every defective
    image at the same place (masks/defective/scratch/7.png or masks/scratch/7.png for defective/scratch/7.jpg), and VOC
    XML or labelme JSON beside every defective image. A good image needs neither. Without both the label alone counts.
    Groups are made by `dataset.group_pattern`.

    Raises:
        InputError: the layout is missing, a folder has no images, an annotation or mask is missing or wrong, or it
            contradicts the folder that the image is in.
    """
    found = find_layout(root, _is_good_and_defective, LOOKED_FOR)
    if len(found) > 1 and {folder.name for folder in found} != set(PARTS):
        names = ", ".join(folder.relative_to(root).as_posix() for folder in found)
        raise InputError(f"{root}: {len(found)} folders have {LOOKED_FOR} ({names}); set dataset.root to one of them")
    places: dict[Path, tuple[_Folder, str]] = {}
    for base in found:
        official = next((part for part in PARTS if len(found) > 1 and base.name == part), None)
        folder = _open(base, official)
        places |= dict.fromkeys(images_below(folder.good), (folder, "good"))
        places |= dict.fromkeys(images_below(folder.defective), (folder, "defective"))
    describe = partial(_describe, places=places, options=options)
    return describe_images(places, found[0] if len(found) == 1 else root, describe, bad)


def _open(base: Path, official: Part | None) -> _Folder:
    good, defective = child_folder(base, "good"), child_folder(base, "defective")
    assert good is not None, base
    assert defective is not None, base
    suffixes = {path.suffix.lower() for path in files_below(defective, ANNOTATIONS)}
    if len(suffixes) > 1:
        raise InputError(f"{defective}: annotated by XML and by JSON; keep one of them")
    return _Folder(good, defective, child_folder(base, "masks"), suffixes.pop() if suffixes else None, official)


def _describe(path: Path, source: str, places: Mapping[Path, tuple[_Folder, str]], options: Dataset) -> SourceImage:
    folder, label = places[path]
    inside = path.relative_to(folder.good if label == "good" else folder.defective)
    if label == "good":
        defect_class = GOOD
    elif len(inside.parts) > 1:
        defect_class = defect_name(inside.parts[0], f"{path}: its folder's name")
    else:
        defect_class = ""  # unless an annotation knows better
    image = _labelled(path, source, group_of(source, options.group_pattern), label, defect_class, folder.official)
    if folder.annotation:
        image = _with_annotation(image, label, path.with_suffix(folder.annotation), options)
    if folder.masks is not None:
        image = replace(image, label=None, mask=_mask_of(inside, folder, label), has_mask=True, polygons=())
    if not image.defect_class and not image.boxes:
        image = replace(image, defect_class=UNNAMED_DEFECT)
    return image


def _with_annotation(image: SourceImage, label: str, annotation: Path, options: Dataset) -> SourceImage:
    polygons: tuple[Polygon, ...] = ()
    boxes: tuple[Box, ...] = ()
    shape = None
    if not annotation.is_file():
        if label == "defective":
            raise InputError(f"{annotation}: missing, although others in that folder have one; annotate the image")
    elif annotation.suffix == ".json":
        polygons, shape = read_polygons(annotation, image.path, LABELME, options.keys)
        boxes = tuple(bounds(polygon) for polygon in polygons)
    else:
        described = read_annotation(annotation)
        boxes, shape = described.boxes, (described.height, described.width)
    if bool(boxes) != (label == "defective"):
        found = "marks defects" if boxes else "marks no defect"
        raise InputError(f"{annotation}: {found}, but its image lies in {label}/; correct one of them")
    names = {box.name for box in boxes}
    return replace(
        image,
        label=None,
        defect_class=image.defect_class or (names.pop() if len(names) == 1 else ""),
        boxes=boxes,
        annotated_shape=shape,
        polygons=polygons,
        has_mask=annotation.suffix == ".json",
        drawn_on="upright" if annotation.suffix == ".json" else None,
    )


def _mask_of(inside: Path, folder: _Folder, label: str) -> Path | None:
    assert folder.masks is not None
    if label == "good":
        return None
    for place in (folder.masks / folder.defective.name / inside, folder.masks / inside):
        for suffix in (".png", *sorted(IMAGE_SUFFIXES - {".png"})):
            if place.with_suffix(suffix).is_file():
                return place.with_suffix(suffix)
    raise InputError(
        f"{folder.masks / inside.with_suffix('.png')}: missing; every image in {folder.defective.name}/ needs its mask"
    )


def _labelled(path: Path, source: str, group: str, label: str, defect_class: str, official: Part | None) -> SourceImage:
    return SourceImage(
        path=path,
        source=source,
        group=group,
        defect_class=defect_class,
        label=label,
        boxes=None,
        mask=None,
        has_mask=False,
        official=official,
    )


def _is_casting(folder: Path) -> bool:
    return all((folder / part / name).is_dir() for part in PARTS for name in CASTING_LABELS)


def _is_good_and_defective(folder: Path) -> bool:
    return child_folder(folder, "good") is not None and child_folder(folder, "defective") is not None
