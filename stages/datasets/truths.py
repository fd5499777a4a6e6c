"""An image with its annotation: upright pixels and, in the same place, what is defect; contradictions are refused.

The one place that decides where an annotation lies on its picture. Of a picture that an EXIF tag turns, the annotation
may have been drawn upright or as stored (`stages.datasets.orientation`). Known are, in this order: the height and width
that it claims, where a quarter turn swaps unequal ones; `dataset.exif`; the format (labelme draws on the upright
picture). Where nothing tells, the image is refused: its truth would lie in a wrong place without a word.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.datasets.images import Box, SourceImage, open_image
from stages.datasets.mask_files import read_class_numbers, read_derived, read_mask
from stages.datasets.names import GOOD
from stages.datasets.orientation import stored_shape, upright, upright_point
from stages.datasets.rasters import fill
from stages.datasets.settings import Dataset
from stages.records.shards import BOXES, EXACT
from stages.runtime.errors import InputError

AUTO = Dataset("", None)  # everything about reading pixels and masks left to the files


@dataclass(frozen=True)
class Annotated:
    """A decoded image and its truth, all of it upright.

    Attributes:
        pixels: H W 3 uint8 RGB.
        boxes: as `SourceImage.boxes`, turned with the picture.
        truths: "boxes" and "exact", H W bool, those that the data set has.
        kinds: kind of defect -> H W bool, where outlines or mask values tell the kinds in one image; else empty.
        unclear: H W bool: annotated, but nobody knows what there is defect; None where there is no such place.
        notes: what was assumed or changed in reading, in words that are the same for all such images.
    """

    pixels: np.ndarray
    boxes: tuple[Box, ...] | None
    truths: dict[str, np.ndarray]
    kinds: dict[str, np.ndarray]
    unclear: np.ndarray | None
    notes: tuple[str, ...]


def read_annotated(image: SourceImage, options: Dataset = AUTO) -> Annotated:
    """Decode an image and say what of it is defect.

    Raises:
        InputError: the image or its mask cannot be read, their sizes and the annotation's do not agree, nothing says
            whether the annotation was drawn before or after a turn, something is marked in a good image, nothing in a
            defective one, or the mask marks nothing inside the boxes.
    """
    picture = open_image(image.path, options.bit_depth)
    notes = []
    if picture.orientation != 1:
        notes.append("turned upright by their EXIF tag")
    if picture.bits > 8:
        notes.append(f"of 16 bits a channel, read as {picture.bits}")
    shape, orientation = (picture.pixels.shape[0], picture.pixels.shape[1]), picture.orientation
    _check_size(image, shape, orientation)
    boxes, truths = image.boxes, {}
    if boxes:
        turn = _turn(image, shape, orientation, options, image.annotated_shape)
        boxes = tuple(_turned(box, shape, turn) for box in boxes)
    if boxes is not None:
        truths[BOXES] = np.zeros(shape, bool)
        for box in boxes:
            truths[BOXES][box.y_min : box.y_max, box.x_min : box.x_max] = True
    unclear, kinds = None, {}
    if image.mask:
        if image.mask_kinds:
            numbers, own = read_class_numbers(image.mask, image.mask_kinds)
            numbers = _placed(numbers, own, image, image.mask, shape, orientation, options)
            truths[EXACT] = numbers > 0
            kinds = {kind: mask for at, kind in enumerate(image.mask_kinds, 1) if (mask := numbers == at).any()}
        else:
            truths[EXACT], unclear, reading = _read_mask(image, image.mask, shape, orientation, options)
            notes += [reading] if reading else []
    elif image.has_mask:
        kinds = _outlined(image, shape, orientation, options)
        truths[EXACT] = np.zeros(shape, bool)
        for mask in kinds.values():
            truths[EXACT] |= mask
    if not (image.label or (unclear is not None and unclear.any())):
        _check_content(image, truths)
    return Annotated(picture.pixels, boxes, truths, {} if image.defect_class else kinds, unclear, tuple(notes))


def _read_mask(
    image: SourceImage, path: Path, shape: tuple[int, int], orientation: int, options: Dataset
) -> tuple[np.ndarray, np.ndarray | None, str | None]:
    """Return the exact mask, what of it is unclear, and how the mask file was read where that is worth a note."""
    if image.derived:
        defect, unclear = read_derived(path)
        _check_mask_size(path, defect, {shape}, orientation)
        return defect, unclear, None
    mask = read_mask(path, options.masks)
    usual = mask.reading.startswith(("0 and 255", "all 0", "grey"))
    reading = None if usual and options.masks == "auto" else f"with a mask read as: {mask.reading}"
    return _placed(mask.pixels, mask.orientation, image, path, shape, orientation, options), None, reading


def _placed(
    values: np.ndarray,
    own_orientation: int,
    image: SourceImage,
    path: Path,
    shape: tuple[int, int],
    orientation: int,
    options: Dataset,
) -> np.ndarray:
    """Return the values of a mask file, H W bool or numbers, turned with its image where it was not turned itself."""
    if own_orientation != 1:  # turned by its own tag, as the image by its
        _check_mask_size(path, values, {shape}, orientation)
        return values
    _check_mask_size(path, values, {shape, stored_shape(shape, orientation)}, orientation)
    if not values.any():
        return np.zeros(shape, values.dtype)
    found = (values.shape[0], values.shape[1])
    turn = _turn(replace(image, drawn_on=None), shape, orientation, options, found)
    return upright(values, turn)


def _outlined(image: SourceImage, shape: tuple[int, int], orientation: int, options: Dataset) -> dict[str, np.ndarray]:
    """Return kind of defect -> H W bool, upright: what is inside its outlines and regions."""
    names = sorted({polygon.name for polygon in image.polygons} | {bitmap.name for bitmap in image.bitmaps})
    if not names:
        return {}
    turn = _turn(image, shape, orientation, options, image.annotated_shape)
    height, width = stored_shape(shape, turn)
    kinds = {}
    for name in names:
        outlines = [polygon.corners for polygon in image.polygons if polygon.name == name]
        filled = fill(outlines, height, width, [bitmap for bitmap in image.bitmaps if bitmap.name == name])
        kinds[name] = upright(filled, turn)
    return kinds


def _turn(
    image: SourceImage,
    shape: tuple[int, int],
    orientation: int,
    options: Dataset,
    claimed: tuple[int, int] | None,
) -> int:
    """Return the orientation by which an annotation has to be turned: 1 where it was drawn on the upright picture.

    Args:
        image: the image that is annotated.
        shape: (height, width) of the upright picture.
        orientation: by which the picture was turned.
        options: `dataset.exif`.
        claimed: (height, width) of the picture that the annotation was drawn on, where it says so.
    """
    if orientation == 1:
        return 1
    if claimed is not None and shape != stored_shape(shape, orientation):
        return 1 if claimed == shape else orientation
    drawn_on = image.drawn_on if options.exif == "auto" else options.exif
    if drawn_on:
        return 1 if drawn_on == "upright" else orientation
    raise InputError(
        f"{image.path}: an EXIF tag turns this picture (orientation {orientation}), and nothing says whether its "
        "annotation was drawn on the upright picture; set dataset.exif to upright or stored, or save it without the tag"
    )


def _check_size(image: SourceImage, shape: tuple[int, int], orientation: int) -> None:
    claimed = image.annotated_shape
    if claimed is None or claimed in (shape, stored_shape(shape, orientation)):
        return
    raise InputError(
        f"{image.path}: the image is {_extent(shape)} px{_tag(orientation)} but its annotation says {_extent(claimed)} "
        "px; correct the size in the annotation or the image (dataset.root)"
    )


def _check_mask_size(path: Path, mask: np.ndarray, shapes: set[tuple[int, int]], orientation: int) -> None:
    if mask.shape not in shapes:
        wanted = " or ".join(_extent(shape) for shape in sorted(shapes))
        raise InputError(
            f"{path}: the mask is {_extent(mask.shape)} px but its image is {wanted} px{_tag(orientation)}; "
            "correct the mask under dataset.root"
        )


def _check_content(image: SourceImage, truths: dict[str, np.ndarray]) -> None:
    """Refuse an annotation that says something else than the image's class."""
    where, good = image.mask or image.path, image.defect_class == GOOD
    deciding = truths.get(EXACT, truths.get(BOXES))
    if deciding is None:
        return
    if good and deciding.any():
        raise InputError(f"{where}: marks defects, but the image counts as good; correct it (dataset.root)")
    if good:
        return
    if not deciding.any():
        kind = image.defect_class or "defective"
        raise InputError(
            f"{where}: marks no defect, but the image counts as {kind}; correct or remove one of them (dataset.root)"
        )
    if image.boxes and EXACT in truths and not (truths[EXACT] & truths[BOXES]).any():
        raise InputError(
            f"{where}: marks nothing inside the image's boxes; correct the one or the other (dataset.root)"
        )


def _turned(box: Box, shape: tuple[int, int], orientation: int) -> Box:
    corners = [upright_point(x, y, shape, orientation) for x, y in ((box.x_min, box.y_min), (box.x_max, box.y_max))]
    (x_min, x_max), (y_min, y_max) = (sorted(int(value) for value in axis) for axis in zip(*corners, strict=True))
    return Box(x_min, y_min, x_max, y_max, box.name)


def _extent(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _tag(orientation: int) -> str:
    return "" if orientation == 1 else f" (upright; its EXIF orientation is {orientation})"
