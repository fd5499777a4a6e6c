"""Exact masks from clean templates: what differs between an image and its board without defects, inside the boxes.

HRIPCB's defects were painted into photographs that are pixel-aligned with the clean board (folder PCB_USED), so the
painted pixels can be found again. A board without a usable template is compared with the median of its own images,
which differ in nothing but the defects. Measured on 27 published images (112 boxes): outside the boxes 99.9% of the
pixels differ by at most 11 grey levels from the template (two JPEG compressions) and by 0 from the median; masks from
the one and the other reference agree with an IoU of 0.97 to 1.00 (median 0.99) on the 15 boxes of board 07.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import IMAGE_SUFFIXES, Box, SourceImage, read_image
from stages.datasets.mask_files import DEFECT, UNCLEAR
from stages.datasets.settings import Dataset
from stages.datasets.tree import DEPTH, levels
from stages.datasets.truths import AUTO, Annotated, read_annotated
from stages.records.files import new_file
from stages.runtime.errors import InputError
from stages.runtime.progress import progress

MASKS = "masks"

MIN_THRESHOLD = 10  # grey levels; below, the ringing of JPEG around a defect would count
MAX_THRESHOLD = 32  # a reference that differs by more almost everywhere is of another board or not aligned
NOISE_QUANTILE, NOISE_FACTOR = 0.99, 1.5  # robust: a defect that nobody annotated does not raise it
EDGE_FRACTION = 0.35  # of a component's median difference; what is fainter is the blur of its edge
GROW_PX = 4  # boxes are drawn by hand; paint may leave them a little
MIN_PX = 9  # smaller specks are noise
MEDIAN_IMAGES = 15  # images that a median is taken over: more changes nothing and costs 20 MB each
MIN_MEDIAN_IMAGES = 3  # with fewer, a defect is not outvoted


@dataclass(frozen=True)
class Reference:
    """A board without defects: H W 3 uint8 pixels, and whether they are the publisher's template or a median."""

    pixels: np.ndarray
    kind: str


def derive_masks(
    images: list[SourceImage],
    templates: Path,
    folder: Path,
    workers: int,
    bad: BadFiles,
    options: Dataset = AUTO,
) -> dict[str, Any]:
    """Write `folder`/<Class>/<name>.png for every image that has boxes and return how they were made.

    The files are 8-bit grey: 255 defect, 0 good, 64 the inside of a box in which nothing changed (`UNCLEAR`). Tiles
    that show such a box are left out later; the boxes are counted here, so that they can be looked at. One board at a
    time, its images in `workers` threads; memory holds one image per worker and at most 15 for a median.

    Args:
        images: records with boxes; `group` is the board, `source` is images/<Class>/<name>.<suffix>.
        templates: folder of clean boards named <group>.<suffix>, in any case.
        folder: where the masks go; made if missing.
        workers: threads.
        bad: what becomes of an image that cannot be used; where it is left out, it has no mask.
        options: how pixels are read.

    Raises:
        InputError: a board has neither a template that fits nor three images, or an image cannot be read; unless `bad`
            leaves such images out.
    """
    known = {path.stem: path for path in sorted(templates.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    kinds: dict[str, str] = {}
    boxes, unclear = 0, []
    ordered = sorted((image for image in images if image.boxes), key=lambda image: (image.group, image.source))
    bar = progress(range(len(ordered)), "masks", total=len(ordered))

    def write_or_error(image: SourceImage, clean: Reference) -> tuple[int, int] | InputError:
        try:
            return _write_mask(image, read_annotated(image, options), clean, folder)
        except InputError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        for board, members in groupby(ordered, key=lambda image: image.group):
            part = list(members)
            try:
                reference = _reference(board, part, known.get(board), options)
            except InputError as error:
                for image in part:
                    bad.refuse(error, image.source)
                continue
            kinds[board] = reference.kind
            for image, made in zip(part, pool.map(write_or_error, part, repeat(reference)), strict=True):
                next(bar, None)
                if isinstance(made, InputError):
                    bad.refuse(made, image.source)
                    continue
                found, lost = made
                boxes += found + lost
                unclear += [image.source] * lost
    return {
        "made_by": "difference to the clean board inside the boxes",
        "references": kinds,
        "images": len(ordered),
        "boxes": boxes,
        "boxes_without_change": dict(sorted(Counter(unclear).items())),
        "parameters": {
            "threshold": f"{NOISE_FACTOR} x the {NOISE_QUANTILE:.0%} quantile of the difference outside the boxes, at "
            f"least {MIN_THRESHOLD} grey levels",
            "edge_fraction": EDGE_FRACTION,
            "grow_px": GROW_PX,
            "min_px": MIN_PX,
        },
    }


def attach_masks(images: list[SourceImage], folder: Path, bad: BadFiles, some: bool = False) -> list[SourceImage]:
    """Return the records with their masks from `folder`, as `derive_masks` wrote them; unchanged without that folder.

    Images that bring a mask of their own keep it.

    Args:
        some: only some images have a mask there; the others with boxes have these alone, and boxes label all tiles.

    Raises:
        InputError: an image with boxes has no mask there and should, unless `bad` leaves such images out.
    """
    if not folder.is_dir() or all(image.has_mask for image in images):
        return images
    attached = []
    for image in images:
        mask = folder / mask_name(image) if image.boxes else None
        if mask is not None and not mask.is_file():
            if some:
                attached.append(replace(image, some_masked=True))
                continue
            error = InputError(f"{mask}: missing; run the download stage again (`dvc repro -f -s download`)")
            bad.refuse(error, image.source)
            continue
        attached.append(replace(image, mask=mask, has_mask=True, derived=True, some_masked=some))
    return attached


def mask_name(image: SourceImage) -> PurePosixPath:
    """Return <Class>/<name>.png of an image images/<Class>/<name>.<suffix>."""
    return PurePosixPath(*PurePosixPath(image.source).parts[1:]).with_suffix(".png")


def change_mask(pixels: np.ndarray, clean: np.ndarray, boxes: Iterable[Box]) -> tuple[np.ndarray, list[Box]]:
    """Return where `pixels` differs from `clean` inside the boxes, and the boxes in which nothing does.

    d = largest channel of Median3x3(|pixels - clean|); changed where d > t = max(10, 1.5 q), q the 99% quantile of the
    difference outside the boxes. Then inside each box grown by 4 px: closing (5 px disc) against compression noise in
    the paint, opening (3 px disc) against specks; a component counts when it has 9 px or more, touches the box itself
    and somewhere differs by 2 t. Last, a component loses pixels with d <= 0.35 x its median: compression
    spreads a strong change over its edge; then holes are filled and crumbs under 9 px dropped.

    Args:
        pixels: H W 3 uint8.
        clean: the same board without defects, H W 3 uint8, pixel-aligned.
        boxes: in pixels.

    Returns:
        mask, H W bool; boxes without a change, in order.
    """
    threshold = change_threshold(pixels, clean, boxes := tuple(boxes))
    mask = np.zeros(pixels.shape[:2], bool)
    unchanged = []
    for box in boxes:
        y, x = max(box.y_min - GROW_PX, 0), max(box.x_min - GROW_PX, 0)
        around = np.s_[y : box.y_max + GROW_PX, x : box.x_max + GROW_PX]
        inside = np.s_[box.y_min - y : box.y_max - y, box.x_min - x : box.x_max - x]
        found = _changed(cv2.absdiff(pixels[around], clean[around]), inside, threshold)
        mask[around] |= found
        if not found.any():
            unchanged.append(box)
    return mask, unchanged


def change_threshold(pixels: np.ndarray, clean: np.ndarray, boxes: Iterable[Box]) -> int:
    """Return the grey levels above which a difference is paint: max(10, 1.5 x the 99% quantile outside the boxes)."""
    difference = cv2.absdiff(pixels, clean).max(axis=2)
    outside = np.ones(difference.shape, bool)
    for box in boxes:
        y, x = max(box.y_min - GROW_PX, 0), max(box.x_min - GROW_PX, 0)
        outside[y : box.y_max + GROW_PX, x : box.x_max + GROW_PX] = False
    counts = np.bincount(difference[outside], minlength=256)
    quantile = int(np.searchsorted(counts.cumsum(), NOISE_QUANTILE * counts.sum()))
    return max(MIN_THRESHOLD, round(NOISE_FACTOR * quantile))


def _changed(difference: np.ndarray, inside: tuple[slice, slice], threshold: int) -> np.ndarray:
    grey = cv2.medianBlur(np.ascontiguousarray(difference), 3).max(axis=2)
    rough = (grey > threshold).astype(np.uint8)
    closed = cv2.morphologyEx(rough, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    count, parts, areas, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    found = np.zeros(grey.shape, bool)
    for number in range(1, count):
        part = parts == number
        if areas[number, cv2.CC_STAT_AREA] >= MIN_PX and part[inside].any() and grey[part].max() >= 2 * threshold:
            found |= _without_blur(part, grey)
    return found


def _without_blur(part: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Return the component without its faint edge, filled, without crumbs."""
    strong = (part & (grey > EDGE_FRACTION * np.median(grey[part]))).astype(np.uint8)
    closed = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    count, parts, areas, _ = cv2.connectedComponentsWithStats(closed & part, connectivity=8)
    kept = [number for number in range(1, count) if areas[number, cv2.CC_STAT_AREA] >= MIN_PX]
    outlines, _ = cv2.findContours(np.isin(parts, kept).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(strong), outlines, -1, 1, cv2.FILLED) > 0


def write_mask(image: SourceImage, mask: np.ndarray, unchanged: Iterable[Box], folder: Path) -> None:
    """Write a derived mask (H W bool) below `folder`; the boxes in `unchanged` become unclear where it is empty."""
    grey = np.where(mask, DEFECT, 0).astype(np.uint8)
    for box in unchanged:
        part = grey[box.y_min : box.y_max, box.x_min : box.x_max]
        part[part == 0] = UNCLEAR
    with new_file(folder / mask_name(image)) as temporary:
        temporary.write_bytes(cv2.imencode(".png", grey)[1].tobytes())


def _write_mask(image: SourceImage, seen: Annotated, reference: Reference, folder: Path) -> tuple[int, int]:
    """Write one mask and return the number of boxes with and without a change in them."""
    pixels, boxes = seen.pixels, seen.boxes or ()
    if pixels.shape != reference.pixels.shape:
        raise InputError(
            f"{image.path}: {_extent(pixels)} px, but board {image.group} is {_extent(reference.pixels)} px; all "
            "images of a board must have its size, or set dataset.derive_masks to false"
        )
    if (threshold := change_threshold(pixels, reference.pixels, boxes)) > MAX_THRESHOLD:
        raise InputError(
            f"{image.path}: not aligned with the {reference.kind} of board {image.group} (off by {threshold} grey "
            "levels outside its boxes); remove it or set dataset.derive_masks to false"
        )
    mask, unchanged = change_mask(pixels, reference.pixels, boxes)
    write_mask(image, mask, unchanged, folder)
    return len(boxes) - len(unchanged), len(unchanged)


def _reference(board: str, images: list[SourceImage], template: Path | None, options: Dataset) -> Reference:
    """Return the template where it fits the board's first image, else the median of the board's images."""
    problem = "no template"
    if template is not None:
        clean, seen = read_image(template, options.bit_depth), read_annotated(images[0], options)
        first = seen.pixels
        if clean.shape != first.shape:
            problem = f"{template} is {_extent(clean)} px but {images[0].path.name} is {_extent(first)} px"
        elif (threshold := change_threshold(first, clean, seen.boxes or ())) > MAX_THRESHOLD:
            problem = f"{template} is not aligned with {images[0].path.name} (off by {threshold} grey levels)"
        else:
            return Reference(clean, "template")
    if len(images) < MIN_MEDIAN_IMAGES:
        raise InputError(
            f"board {board}: {problem}, and {len(images)} images are too few for their median; add a template to "
            "PCB_USED or set dataset.derive_masks to false"
        )
    return Reference(_median(images, options), f"median ({problem})" if template is not None else "median")


def _median(images: list[SourceImage], options: Dataset) -> np.ndarray:
    """Return the lower median per pixel and channel of up to 15 images spread over the list."""
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), MEDIAN_IMAGES)).round().astype(int))
    pixels = [read_image(images[i].path, options.bit_depth) for i in chosen]
    for i, other in zip(chosen, pixels, strict=True):
        if other.shape != pixels[0].shape:
            raise InputError(
                f"{images[i].path}: {_extent(other)} px, but {images[0].path.name} of the same board is "
                f"{_extent(pixels[0])} px; set dataset.derive_masks to false"
            )
    median = np.empty_like(pixels[0])
    for y in range(0, len(median), 64):  # bands, so that only one band is held twice
        band = np.stack([other[y : y + 64] for other in pixels])
        median[y : y + 64] = np.partition(band, (len(band) - 1) // 2, axis=0)[(len(band) - 1) // 2]
    return median


def find_templates(root: Path, name: str) -> Path | None:
    """Return the folder `name` in `root` or up to two folders below it, or None."""
    return next((folder for level in levels(root, DEPTH + 1) for folder in level if folder.name == name), None)


def _extent(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
