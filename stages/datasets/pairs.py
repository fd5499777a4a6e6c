"""Images with an annotation file each, whatever the format: which file is whose, and what the two say together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import UNREAD_SUFFIXES, SourceImage, open_file
from stages.datasets.layout import GOOD, PICTURE_SUFFIXES, defect_name, describe_images, part_of, stem_of
from stages.datasets.marks import Marks
from stages.datasets.matching import by_name_alone, in_mask_folder, masks_beside, match_annotations, match_masks, twins
from stages.datasets.orientation import Frame
from stages.datasets.settings import Dataset
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Format:
    """A kind of annotation file.

    Attributes:
        suffix: in lower case; files may have it in any case.
        read: file, its image, options -> what it says of the image.
        exact: its defects have outlines: always, never, or where all of the data set have one (None).
        good: how a good image is annotated, for messages.
        drawn_on: see `SourceImage.drawn_on`.
        across_parts: see `match_annotations`.
    """

    suffix: str
    read: Callable[[Path, Path, Dataset], Marks]
    exact: bool | None
    good: str
    drawn_on: Frame | None = None
    across_parts: bool = False


@dataclass(frozen=True)
class Content:
    """The files that a layout says belong to the data set; names of images are relative to `base`."""

    base: Path
    images: Sequence[Path]
    annotations: Sequence[Path]
    masks: Sequence[Path] = ()


def sort_files(files: Sequence[Path], base: Path, suffix: str) -> Content:
    """Return pictures, masks and annotations among the files below `base`.

    A mask is one by its folder's name, or by its own where it has no annotation.
    """
    pictures = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    annotations = [path for path in files if path.suffix.lower() == suffix]
    annotated = {stem_of(path) for path in annotations}
    beside = {path for path in masks_beside(pictures) if stem_of(path) not in annotated}
    masks = [path for path in pictures if path in beside or in_mask_folder(path, base)]
    left = set(masks)
    return Content(base, [path for path in pictures if path not in left], annotations, masks)


def read_pairs(
    content: Content,
    form: Format,
    options: Dataset,
    bad: BadFiles,
    group: Callable[[Path, str], str],
    kind: Callable[[PurePath], str | None] = lambda inside: None,
) -> list[SourceImage]:
    """Return the images with what their annotations and masks say.

    An image without annotation is refused, since nobody has said that it is good; `dataset.unannotated: good` says so.
    Where a format has no outlines, masks are the exact truth, and then every image with boxes needs one.

    Args:
        content: see `sort_files`.
        form: the format.
        options: of params.yaml.
        bad: what becomes of images that cannot be used.
        group: image, its name -> its group.
        kind: an image's path relative to the base -> the kind of its defects where that says it; else the boxes do.

    Raises:
        InputError: an annotation or mask is missing, wrong, or could be that of several images.
    """
    base = content.base
    annotation_of = match_annotations(content.images, content.annotations, base, form.across_parts)
    masks = content.masks if form.exact is False else ()
    mask_of = match_masks(content.images, masks, base)
    double = twins(content.images)
    exact: list[bool] = []
    unread: list[str] = []

    def describe(path: Path, source: str) -> SourceImage:
        annotation, mask = annotation_of.get(path), mask_of.get(path)
        for found in (double.get(path), annotation, mask):
            if isinstance(found, InputError):
                raise found
        if path.suffix.lower() in UNREAD_SUFFIXES:
            open_file(path, "image", whole=False)  # says which format it is, instead of what it lacks
        if annotation is None and options.unannotated == "error":
            raise InputError(
                f"{path}: no annotation {path.stem}{form.suffix}, so nothing says that it is good; a good image needs "
                f"{form.good}, or set dataset.unannotated to good if all such images are"
            )
        marks = form.read(annotation, path, options) if isinstance(annotation, Path) else Marks((), exact=True)
        if masks and marks.boxes and mask is None:
            raise InputError(f"{path}: it has boxes but no mask, although other images have masks; see dataset.root")
        exact.extend([marks.exact] if marks.boxes else [])
        unread.extend([marks.unread] if marks.unread else [])
        names = {box.name for box in marks.boxes}
        if not names:
            defect_class = GOOD
        elif (name := kind(path.relative_to(base))) is not None:
            defect_class = defect_name(name, f"{path}: the class in its name", options.good_names)
        else:
            defect_class = names.pop() if len(names) == 1 else ""
        return SourceImage(
            path=path,
            source=source,
            group=group(path, source),
            defect_class=defect_class,
            label=None,
            boxes=marks.boxes,
            mask=mask if isinstance(mask, Path) else None,
            has_mask=bool(masks) if form.exact is False else True,
            annotated_shape=marks.shape,
            polygons=marks.polygons,
            bitmaps=marks.bitmaps,
            drawn_on=form.drawn_on,
            official=part_of(path.relative_to(base)),
            annotation=annotation if isinstance(annotation, Path) else None,
        )

    images = describe_images(content.images, base, describe, bad)
    if alone := by_name_alone(annotation_of, base):
        image, annotation = (path.relative_to(base).as_posix() for path in alone[0])
        bad.remark(
            f"{len(alone)} annotations lie in another folder than their image and were found by name alone: "
            f"{annotation} for {image}, ..."
        )
    if unread:
        bad.remark(f"{len(unread)} annotations have {unread[0]} entries, which are not read; their boxes are")
    if form.exact is None and not (exact and all(exact)):
        if any(exact):
            bad.remark(f"{exact.count(False)} images have boxes without outlines, so no outline is used, only boxes")
        images = without_outlines(images)
    return images


def without_outlines(images: Sequence[SourceImage]) -> list[SourceImage]:
    """Return the images with their boxes alone: the tiles of a data set all have the same kinds of truth."""
    return [replace(image, polygons=(), bitmaps=(), has_mask=False) for image in images]
