"""Data sets sorted into folders of good and defective images: one's own, MVTec AD, VisA, and the casting data set."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.class_folders import LOOKED_FOR, Naming, Place, find_places, no_kind, refused_kinds
from stages.datasets.images import SourceImage
from stages.datasets.labelme import read_shapes
from stages.datasets.marks import Marks, with_marks
from stages.datasets.matching import Found, files_of, match_annotations, match_masks, sort_files, twins
from stages.datasets.names import GOOD, defect_name, group_of
from stages.datasets.settings import Dataset
from stages.datasets.tree import files_below
from stages.datasets.voc_xml import read_voc_xml
from stages.runtime.errors import InputError

CASTING = Naming(good=frozenset({"ok_front"}), defective=frozenset({"def_front"}), kinds=False)
CASTING_LOOKED_FOR = "folders def_front/ and ok_front/, directly or in train/ and test/"
CASTING_DEFECT = "casting_defect"
UNNAMED_DEFECT = "defect"  # the kind of images that lie in defective/ itself and have no annotation
ANNOTATIONS = {".xml": read_voc_xml, ".json": read_shapes}


def read_casting(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read the casting data set: labels by folder, the publisher's train and test; every image is its own group.

    Its archive holds the images at 512 px, too, without those parts; they are read where there is nothing else.

    Raises:
        InputError: the layout is missing or a folder of it has no images.
    """
    base, places = find_places(root, CASTING, CASTING_LOOKED_FOR)

    def describe(path: Path, source: str) -> SourceImage:
        return _labelled(path, source, source, places[path], CASTING_DEFECT)

    return describe_images(places, base, describe, bad)


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
    bad.remark(_what_folders_mean(places.values()))
    images, files = list(places), files_below(base)
    masks = sort_files(files, base, "").masks
    mask_of, double = match_masks(images, masks, base), twins(images)
    for folder in refused_kinds(places.values()):
        if not any(isinstance(mask, Path) and mask.is_relative_to(folder) for mask in mask_of.values()):
            bad.remark(no_kind(folder, base))
    suffix, annotation_of = _annotations(base, places, files)

    def describe(path: Path, source: str) -> SourceImage:
        place = places[path]
        _, annotation, mask = files_of(path, double, annotation_of, mask_of)
        kind = place.kind and defect_name(place.kind, f"{path}: its folder's name", options.good_names)
        image = _labelled(path, source, group_of(source, options.group_pattern), place, kind)
        if suffix:
            image = _with_annotation(image, place, annotation, suffix, options)
        if masks:
            image = _with_mask(image, place, mask, masks)
        if not image.defect_class and not image.boxes:
            image = replace(image, defect_class=UNNAMED_DEFECT)
        return image

    return describe_images(places, base, describe, bad)


# MVTec AD and VisA: no classifier can be trained on train/ as published, which has good images alone.
read_without_parts = partial(read_folder, keep_parts=False)


def _what_folders_mean(places: Iterable[Place]) -> str:
    named = {(place.label, place.folder.name) for place in places}
    good, defective = ([f"{name}/" for said, name in sorted(named) if said == label] for label in ("good", "defective"))
    listed = ", ".join(defective[:10]) + (" ..." if len(defective) > 10 else "")
    if not good:
        return f"no folder means good (dataset.good_names); defective: {listed}"
    return f"good: {', '.join(good)}; defective: {listed}"


def _annotations(base: Path, places: dict[Path, Place], files: Sequence[Path]) -> tuple[str | None, Found]:
    """Return the suffix of the annotations that defective images have, and whose they are; (None, {}) without any."""
    defective = {path for path, place in places.items() if place.label == "defective"}
    found = {
        suffix: match_annotations(list(places), [path for path in files if path.suffix.lower() == suffix], base)[0]
        for suffix in ANNOTATIONS
    }
    used = [suffix for suffix in ANNOTATIONS if defective & found[suffix].keys()]
    if len(used) > 1:
        folder = min(places[path].folder for path in defective)
        raise InputError(f"{folder}: annotated by XML and by JSON; keep one of them")
    return (used[0], found[used[0]]) if used else (None, {})


def _with_annotation(
    image: SourceImage, place: Place, annotation: Path | None, suffix: str, options: Dataset
) -> SourceImage:
    marks = ANNOTATIONS[suffix](annotation, image.path, options) if annotation else Marks(())
    if annotation is None and place.label == "defective":
        missing = image.path.with_name(f"{image.path.stem}{suffix}")
        raise InputError(f"{missing}: missing, although others in {place.folder.name}/ have one; annotate it, too")
    if annotation and bool(marks.boxes) != (place.label == "defective"):
        problem = "marks defects" if marks.boxes else "marks no defect"
        raise InputError(f"{annotation}: {problem}, but its image lies in {place.folder.name}/; correct one of them")
    outlines = suffix == ".json"
    return replace(
        with_marks(image, marks),
        label=None,
        defect_class=image.defect_class or marks.kind,
        drawn_on="upright" if outlines else None,
        has_mask=outlines,
        annotation=annotation,
    )


def _with_mask(image: SourceImage, place: Place, mask: Path | None, masks: Sequence[Path]) -> SourceImage:
    if mask is None and place.label == "defective":
        raise InputError(
            f"{image.path}: no mask; every image in {place.folder.name}/ needs one of its name, with or without _mask, "
            f"in folders called as its own ({len(masks)} masks, like {masks[0]})"
        )
    return replace(image, label=None, mask=mask, has_mask=True, polygons=(), bitmaps=())


def _labelled(path: Path, source: str, group: str, place: Place, defect_class: str) -> SourceImage:
    return SourceImage(
        path=path,
        source=source,
        group=group,
        defect_class=GOOD if place.label == "good" else defect_class,
        label=place.label,
        official=place.official,
    )
