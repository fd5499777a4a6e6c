"""Images with an annotation file each, whatever the format: what the two say together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.images import UNREAD_SUFFIXES, SourceImage, open_file
from stages.datasets.marks import Marks, with_marks
from stages.datasets.matching import Content, files_of, match_annotations, match_masks, twins
from stages.datasets.names import GOOD, defect_name, group_of, part_of
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


def read_pairs(
    content: Content,
    form: Format,
    options: Dataset,
    bad: BadFiles,
    group: Callable[[Path], str] | None = None,
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
        group: an image's path relative to the base -> its group; None: `dataset.group_pattern` says it.
        kind: an image's path relative to the base -> the kind of its defects where that says it; else the boxes do.

    Raises:
        InputError: an annotation or mask is missing, wrong, or could be that of several images.
    """
    base = content.base
    annotation_of, by_name = match_annotations(content.images, content.annotations, base, form.across_parts)
    masks = content.masks if form.exact is False else ()
    mask_of = match_masks(content.images, masks, base)
    double = twins(content.images)
    unread: list[str] = []

    def describe(path: Path, source: str) -> SourceImage:
        _, annotation, mask = files_of(path, double, annotation_of, mask_of)
        if path.suffix.lower() in UNREAD_SUFFIXES:
            open_file(path, "image", whole=False)  # says which format it is, instead of what it lacks
        if annotation is None and options.unannotated == "error":
            raise InputError(
                f"{path}: no annotation {path.stem}{form.suffix}, so nothing says that it is good; a good image needs "
                f"{form.good}, or set dataset.unannotated to good if all such images are"
            )
        marks = form.read(annotation, path, options) if annotation else Marks(())
        if masks and marks.boxes and mask is None:
            raise InputError(f"{path}: it has boxes but no mask, although other images have masks; see dataset.root")
        unread.extend([marks.unread] if marks.unread else [])
        inside = path.relative_to(base)
        defect_class = marks.kind if marks.boxes else GOOD
        if marks.boxes and (name := kind(inside)) is not None:
            defect_class = defect_name(name, f"{path}: the class in its name", options.good_names)
        image = SourceImage(
            path=path,
            source=source,
            group=group(inside) if group else group_of(source, options.group_pattern),
            defect_class=defect_class,
            mask=mask,
            has_mask=bool(masks) if form.exact is False else True,
            drawn_on=form.drawn_on,
            official=part_of(inside),
            annotation=annotation,
        )
        return with_marks(image, marks)

    images = describe_images(content.images, base, describe, bad)
    if by_name:
        first, annotation = (path.relative_to(base).as_posix() for path in by_name[0])
        bad.remark(
            f"{len(by_name)} annotations lie in another folder than their image and were found by name alone: "
            f"{annotation} for {first}, ..."
        )
    if unread:
        bad.remark(f"{len(unread)} annotations have {unread[0]} entries, which are not read; their boxes are")
    return outlines_of_all_or_none(images, bad) if form.exact is None else images


def outlines_of_all_or_none(images: Sequence[SourceImage], bad: BadFiles) -> list[SourceImage]:
    """Return the images with their boxes alone unless every box has an outline or region.

    So the tiles of a data set all have the same kinds of truth.
    """
    marked = [image for image in images if image.boxes]
    without = [image for image in marked if len(image.polygons) + len(image.bitmaps) < len(image.boxes or ())]
    if marked and not without:
        return list(images)
    if len(without) < len(marked):
        bad.remark(f"{len(without)} images have boxes without outlines, so no outline is used, only boxes")
    return [replace(image, polygons=(), bitmaps=(), has_mask=False) for image in images]
