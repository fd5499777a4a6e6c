"""Exact masks of NEU-DET from NEU-Seg: the same photographs, annotated there pixel by pixel.

900 of NEU-DET's 1,800 images, all of inclusion, patches and scratches, are images of NEU-Seg too, to the pixel, under
other names. They are found by the hash of their pixels; the others keep their boxes alone.
"""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import SourceImage, read_image
from stages.datasets.mask_files import read_class_numbers
from stages.datasets.neu_seg import KINDS, LOOKED_FOR, find_masks
from stages.datasets.settings import Dataset
from stages.datasets.templates import mask_name, write_mask
from stages.datasets.truths import read_annotated
from stages.records.hashes import pixels_sha
from stages.records.shards import BOXES
from stages.runtime.errors import InputError
from stages.runtime.progress import progress


def copy_masks(
    images: list[SourceImage], masked: Path, folder: Path, workers: int, bad: BadFiles, options: Dataset
) -> dict[str, Any]:
    """Write a mask below `folder` for every image whose pixels are those of an image of NEU-Seg.

    Whatever kind its pixels are of there is defect. Where one picture is there several times with masks that differ
    (two of NEU-DET's 900), the first by path is taken, and counted. A mask that marks nothing inside the boxes (three
    of them) contradicts these; it is not written, and the image counted.

    Args:
        images: records with boxes.
        masked: folder of NEU-Seg.
        folder: where the masks go, as `stages.datasets.templates.derive_masks` writes them; made if missing.
        workers: threads.
        bad: what becomes of an image that cannot be used; where it is left out, it has no mask.
        options: how pixels are read.

    Returns:
        How they were made: `images` with a mask, `of_images`; `boxes` of those, by image in how many of them the mask
        marks nothing (`boxes_without_change`), and of each kind the median share of the boxes that it fills; names of
        images whose mask lies `beside_boxes`.

    Raises:
        InputError: there is no such folder, an image cannot be read, none is in both, or a mask has another extent.
    """
    if not masked.is_dir():
        raise InputError(
            f"params.yaml: dataset.masks_from: {masked} is no folder; name that of NEU-Seg, or set it to null"
        )
    try:
        _, paths, mask_of = find_masks(masked)
    except InputError:
        raise InputError(
            f"{masked}: not in the layout of NEU-Seg ({LOOKED_FOR}), whose masks dataset.masks_from is for; name its "
            "folder, or set it to null"
        ) from None
    boxed = [image for image in images if image.boxes]
    if len({mask_name(image) for image in boxed}) < len(boxed):
        raise InputError(
            "dataset.masks_from: two images have one name in different folders; rename one or set it to null"
        )
    same: dict[str, list[Path]] = defaultdict(list)
    with ThreadPoolExecutor(workers) as pool:
        shas = pool.map(lambda path: pixels_sha(read_image(path, options.bit_depth)), paths)
        for path, sha in progress(zip(paths, shas, strict=True), "masks", total=len(paths)):
            same[sha].append(path)
    boxes, found, differing = 0, 0, 0
    empty: dict[str, int] = {}
    beside: list[str] = []
    filled: dict[str, list[float]] = defaultdict(list)
    for image in boxed:
        try:
            seen = read_annotated(image, options)
            masks = [_read(mask_of(path), seen.pixels) for path in same.get(pixels_sha(seen.pixels), [])]
        except InputError as error:
            bad.refuse(error, image.source)
            continue
        if not masks:
            continue
        share = float(masks[0][seen.truths[BOXES]].mean())
        if not share:
            beside.append(image.source)
            continue
        write_mask(image, masks[0], (), folder)
        found, boxes = found + 1, boxes + len(seen.boxes or ())
        differing += any((mask != masks[0]).any() for mask in masks)
        filled[image.defect_class].append(share)
        unmarked = sum(not masks[0][box.y_min : box.y_max, box.x_min : box.x_max].any() for box in seen.boxes or ())
        empty |= {image.source: unmarked} if unmarked else {}
    if not found and not beside:
        raise InputError(
            f"{masked}: no picture is one of {options.name}'s; dataset.masks_from wants the folder of NEU-Seg, or null"
        )
    return {
        "made_by": "masks of NEU-Seg, of the same pixels",
        "images": found,
        "of_images": len(images),
        "boxes": boxes,
        "boxes_without_change": dict(sorted(empty.items())),
        "beside_boxes": sorted(beside),
        "with_masks_that_differ": differing,
        "median_share_of_boxes": {kind: float(np.median(shares)) for kind, shares in sorted(filled.items())},
    }


def _read(path: Path, pixels: np.ndarray) -> np.ndarray:
    numbers, _ = read_class_numbers(path, KINDS)
    if numbers.shape != pixels.shape[:2]:
        raise InputError(
            f"{path}: {numbers.shape[1]}x{numbers.shape[0]} px, but its image is {pixels.shape[1]}x{pixels.shape[0]} "
            "px; replace it or set dataset.masks_from to null"
        )
    return np.asarray(numbers > 0)
