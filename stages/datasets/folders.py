"""Data sets sorted into folders of good and defective images: one's own, MVTec AD, VisA, and the casting data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from stages.datasets.bad_files import BadFiles
from stages.datasets.class_folders import LOOKED_FOR, Naming, Place, find_places
from stages.datasets.images import SourceImage
from stages.datasets.layout import GOOD, defect_name, describe_images, group_of
from stages.datasets.marks import Marks
from stages.datasets.matching import Found, match_annotations, match_masks, twins
from stages.datasets.pairs import sort_files
from stages.datasets.polygons import read_polygons
from stages.datasets.settings import Dataset
from stages.datasets.tree import files_below
from stages.datasets.voc import read_annotation
from stages.runtime.errors import InputError

CASTING = Naming(good=frozenset({"ok_front"}), defective=frozenset({"def_front"}), kinds=False)
CASTING_LOOKED_FOR = "folders def_front/ and ok_front/, directly or in train/ and test/"
CASTING_DEFECT = "casting_defect"
UNNAMED_DEFECT = "defect"  # the kind of images that lie in defective/ itself and have no annotation
ANNOTATIONS = (".xml", ".json")


def read_casting(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read the casting data set: labels by folder, the publisher's train and test; every image is its own group.

    Its archive holds the images at 512 px, too, without those parts; they are read where there is nothing else.

    Raises:
        InputError: the layout is missing or a folder of it has no images.
    """
    base, places = find_places(root, CASTING, CASTING_LOOKED_FOR)

    def describe(path: Path, source: str) -> SourceImage:
        place = places[path]
        return _labelled(path, source, source, place, CASTING_DEFECT)

    return describe_images(places, base, describe, bad)


@dataclass(frozen=True)
class _Beside:
    """What lies beside the images of a data set: which annotation and mask is whose, and whether there are any."""

    annotation: Found = field(default_factory=dict)
    mask: Found = field(default_factory=dict)
    double: Found = field(default_factory=dict)
    suffix: str | None = None
    masks: Sequence[Path] = ()


def read_folder(root: Path, options: Dataset, bad: BadFiles, keep_parts: bool = True) -> list[SourceImage]:
    """Read folders named after what their images are: good/ beside defective/ or beside folders that name the kinds.

    Which names mean good, `dataset.good_names` says. Beside such a folder, one called defective, bad, nok, anomaly or
    alike holds the defective images, and folders in it name kinds; where there is none, every other folder is a
    kind (MVTec AD: test/good, test/scratch). All of it may lie in train/, val/ and test/, which are then the
    publisher's parts, if train has defective images, too. Without any good folder, all folders are kinds, which is
    enough for `task: multiclass`.

    Truth, where there is any: masks/ or ground_truth/ with a mask for every defective image in folders of the same
    names (masks/defective/scratch/7.png or masks/scratch/7_mask.png for defective/scratch/7.jpg), or `7_mask.png`
    beside it; VOC XML or labelme JSON beside every defective image. A good image needs neither. Without both the label
    alone counts. Groups are made by `dataset.group_pattern`.

    Args:
        root: the user's folder.
        options: of params.yaml.
        bad: what becomes of images that cannot be used; it takes a note of what the folders were taken for.
        keep_parts: false: the publisher's train and test do not count.

    Raises:
        InputError: the layout is missing, a folder has no images, an annotation or mask is missing or wrong, or it
            contradicts the folder that the image is in.
    """
    naming = Naming(frozenset(options.good_names))
    base, places = find_places(root, naming, LOOKED_FOR)
    labels = {(place.official, place.label) for place in places.values()}
    has_good = any(label == "good" for _, label in labels)
    if has_good and not (keep_parts and {("train", "good"), ("train", "defective")} <= labels):
        if keep_parts and any(part for part, _ in labels):
            bad.remark("the publisher's parts do not count, since train has not both good and defective images")
        places = {path: replace(place, official=None) for path, place in places.items()}
    bad.remark(_what_folders_mean(places))
    beside = _look_beside(base, places)

    def describe(path: Path, source: str) -> SourceImage:
        place = places[path]
        found = (beside.double.get(path), beside.annotation.get(path), beside.mask.get(path))
        for error in found:
            if isinstance(error, InputError):
                raise error
        kind = place.kind and defect_name(place.kind, f"{path}: its folder's name", options.good_names)
        image = _labelled(path, source, group_of(source, options.group_pattern), place, kind)
        if beside.suffix:
            image = _with_annotation(image, place, beside, options)
        if beside.masks:
            image = _with_mask(image, place, beside)
        if not image.defect_class and not image.boxes:
            image = replace(image, defect_class=UNNAMED_DEFECT)
        return image

    return describe_images(places, base, describe, bad)


# MVTec AD and VisA: no classifier can be trained on train/ as published, which has good images alone.
read_without_parts = partial(read_folder, keep_parts=False)


def _what_folders_mean(places: Mapping[Path, Place]) -> str:
    good = sorted({place.folder.name for place in places.values() if place.label == "good"})
    defective = sorted({place.folder.name for place in places.values() if place.label == "defective"})
    listed = ", ".join(f"{name}/" for name in defective[:10]) + (" ..." if len(defective) > 10 else "")
    if not good:
        return f"no folder means good (dataset.good_names); defective: {listed}"
    return f"good: {', '.join(f'{name}/' for name in good)}; defective: {listed}"


def _look_beside(base: Path, places: Mapping[Path, Place]) -> _Beside:
    images = list(places)
    files = files_below(base)
    masks = sort_files(files, base, "").masks
    mask_of = match_masks(images, masks, base)
    defective = {path for path, place in places.items() if place.label == "defective"}
    found = {
        suffix: match_annotations(images, [path for path in files if path.suffix.lower() == suffix], base)
        for suffix in ANNOTATIONS
    }
    used = [suffix for suffix in ANNOTATIONS if defective & found[suffix].keys()]
    if len(used) > 1:
        folder = min(places[path].folder for path in defective)
        raise InputError(f"{folder}: annotated by XML and by JSON; keep one of them")
    suffix = used[0] if used else None
    return _Beside(found[suffix] if suffix else {}, mask_of, twins(images), suffix, masks)


def _with_annotation(image: SourceImage, place: Place, beside: _Beside, options: Dataset) -> SourceImage:
    annotation = beside.annotation.get(image.path)
    if not isinstance(annotation, Path):
        if place.label == "defective":
            missing = image.path.with_name(f"{image.path.stem}{beside.suffix}")
            raise InputError(f"{missing}: missing, although others in {place.folder.name}/ have one; annotate it, too")
        marks = Marks(())
    elif beside.suffix == ".json":
        marks = read_polygons(annotation, image.path, options)
    else:
        marks = read_annotation(annotation, image.path, options)
    if isinstance(annotation, Path) and bool(marks.boxes) != (place.label == "defective"):
        problem = "marks defects" if marks.boxes else "marks no defect"
        raise InputError(f"{annotation}: {problem}, but its image lies in {place.folder.name}/; correct one of them")
    names = {box.name for box in marks.boxes}
    return replace(
        image,
        label=None,
        defect_class=image.defect_class or (names.pop() if len(names) == 1 else ""),
        boxes=marks.boxes,
        annotated_shape=marks.shape,
        polygons=marks.polygons,
        bitmaps=marks.bitmaps,
        drawn_on="upright" if beside.suffix == ".json" else None,
        has_mask=beside.suffix == ".json",
        annotation=annotation if isinstance(annotation, Path) else None,
    )


def _with_mask(image: SourceImage, place: Place, beside: _Beside) -> SourceImage:
    mask = beside.mask.get(image.path)
    if mask is None and place.label == "defective":
        raise InputError(
            f"{image.path}: no mask; every image in {place.folder.name}/ needs one of its name, with or without _mask, "
            f"in folders called as its own ({len(beside.masks)} masks, like {beside.masks[0]})"
        )
    return replace(
        image, label=None, mask=mask if isinstance(mask, Path) else None, has_mask=True, polygons=(), bitmaps=()
    )


def _labelled(path: Path, source: str, group: str, place: Place, defect_class: str) -> SourceImage:
    return SourceImage(
        path=path,
        source=source,
        group=group,
        defect_class=GOOD if place.label == "good" else defect_class,
        label=place.label,
        boxes=None,
        mask=None,
        has_mask=False,
        official=place.official,
    )
