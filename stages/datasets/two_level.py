"""Exact masks from pairs of two-level pictures: a tested board and its clean template, which do not fit to the pixel.

Both are black and white, so their difference is a yes or no; but edges lie up to 3 px beside one another, and differ
along every track. What no shift of 2 px explains is defect, and so is what of the difference hangs on it.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box, SourceImage, read_image
from stages.datasets.settings import Dataset
from stages.datasets.templates import write_mask
from stages.datasets.truths import read_annotated
from stages.runtime.errors import InputError
from stages.runtime.progress import progress

LEVEL = 127  # above: white
GREYS, MAX_GREY_SHARE = (64, 192), 0.02  # compression leaves some grey at edges: at most 0.5% of a published picture
MAX_DIFFERENT = 0.25  # share of a picture; published pairs differ in at most a tenth of it
SHIFT_PX = 3  # largest shift between a pair that is looked for
RING_PX = 24  # around a box, by which its shift is told
EDGE_PX = (2, 1)  # of misalignment that is left after the shift; 1 where 2 leave nothing of a box
MIN_CORE_PX = 4  # a smaller place that misalignment does not explain is noise
SQUARE = np.ones((3, 3), np.uint8)

# (rows, columns) from the largest shift upwards and left, the smallest shift first, so that a tie moves nothing
_SHIFTS: list[tuple[int, int]] = sorted(
    ((y, x) for y in range(2 * SHIFT_PX + 1) for x in range(2 * SHIFT_PX + 1)),
    key=lambda at: ((at[0] - SHIFT_PX) ** 2 + (at[1] - SHIFT_PX) ** 2, *at),
)


def derive_from_pairs(
    images: list[SourceImage], folder: Path, workers: int, bad: BadFiles, options: Dataset
) -> dict[str, Any]:
    """Write a mask below `folder` for every image that has boxes and a template; return how they were made.

    The files are those of `stages.datasets.templates.derive_masks`: 255 defect, 0 good, 64 a box without change.

    Args:
        images: records with boxes and `template`.
        folder: where the masks go; made if missing.
        workers: threads.
        bad: what becomes of an image that cannot be used; where it is left out, it has no mask.
        options: how pixels are read.

    Raises:
        InputError: a picture cannot be read, is not black and white, or differs from its template in size or nearly
            everywhere; unless `bad` leaves such images out.
    """
    pairs = [image for image in images if image.boxes and image.template]
    boxes, unclear = 0, Counter[str]()
    with ThreadPoolExecutor(workers) as pool:
        made = pool.map(partial(_write_or_error, folder=folder, options=options), pairs)
        for image, lost in progress(zip(pairs, made, strict=True), "masks", total=len(pairs)):
            if isinstance(lost, InputError):
                bad.refuse(lost, image.source)
                continue
            boxes += len(image.boxes or ())
            unclear.update({image.source: lost} if lost else {})
    return {
        "made_by": "difference of black and white to the template inside the boxes, without misaligned edges",
        "references": {"template": len(pairs)},
        "images": len(pairs),
        "boxes": boxes,
        "boxes_without_change": dict(sorted(unclear.items())),
        "parameters": {"level": LEVEL, "shift_px": SHIFT_PX, "edge_px": list(EDGE_PX), "min_core_px": MIN_CORE_PX},
    }


def two_level_mask(tested: np.ndarray, clean: np.ndarray, boxes: tuple[Box, ...]) -> tuple[np.ndarray, list[Box]]:
    """Return where a black and white picture differs from its template inside the boxes, and boxes without a change.

    For each box: the template is moved by up to 3 px to where the pixels around the box (24 px) differ least. With D
    the difference inside the box, its core is white where the template is black within 2 px all around, and the other
    way round; parts of the core under 4 px are dropped. The mask is what of D is connected to the core within 3 px,
    closed by a square of 3 px. A box without a core is tried with 1 px and 2 px in place of 2 and 3.

    Args:
        tested: H W bool, white.
        clean: the same place without defects, H W bool.
        boxes: in pixels.

    Returns:
        mask, H W bool, inside the boxes; boxes without a change, in order.
    """
    mask = np.zeros(tested.shape, bool)
    unchanged = []
    padded = np.pad(clean, SHIFT_PX, mode="edge")
    for box in boxes:
        top, left = max(box.y_min - RING_PX, 0), max(box.x_min - RING_PX, 0)
        around = np.s_[top : box.y_max + RING_PX, left : box.x_max + RING_PX]
        inside = np.zeros(tested[around].shape, bool)
        inside[box.y_min - top : box.y_max - top, box.x_min - left : box.x_max - left] = True
        height, width = tested[around].shape[:2]
        reach = padded[top : top + height + 2 * SHIFT_PX, left : left + width + 2 * SHIFT_PX]
        found = _changed(tested[around], _moved(reach, tested[around], ~inside), inside)
        mask[around] |= found
        if not found.any():
            unchanged.append(box)
    return mask, unchanged


def _moved(reach: np.ndarray, tested: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Return the part of `reach` (3 px larger on each side) that differs least from `tested` on the ring."""
    wide, narrow, counted = (values.astype(np.float32) for values in (reach, tested, ring))
    costs = np.round(cv2.matchTemplate(wide, narrow, cv2.TM_SQDIFF, mask=counted))  # numbers of pixels
    dy, dx = min(_SHIFTS, key=lambda at: float(costs[at]))
    return reach[dy : dy + tested.shape[0], dx : dx + tested.shape[1]]


def _changed(tested: np.ndarray, clean: np.ndarray, inside: np.ndarray) -> np.ndarray:
    difference = ((tested ^ clean) & inside).astype(np.uint8)
    for edge_px in EDGE_PX:
        square = np.ones((2 * edge_px + 1, 2 * edge_px + 1), np.uint8)
        near_white = cv2.dilate(clean.astype(np.uint8), square) > 0
        all_white = cv2.erode(clean.astype(np.uint8), square) > 0
        core = ((tested & ~near_white) | (~tested & all_white)) & inside
        _, parts, areas, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8), connectivity=8)
        kept = areas[:, cv2.CC_STAT_AREA] >= MIN_CORE_PX
        kept[0] = False
        grown = kept[parts].astype(np.uint8)
        if grown.any():
            for _ in range(edge_px + 1):
                grown = cv2.dilate(grown, SQUARE) & difference
            return np.asarray((cv2.morphologyEx(grown, cv2.MORPH_CLOSE, SQUARE) > 0) & inside)
    return np.zeros_like(inside)


def _write_or_error(image: SourceImage, folder: Path, options: Dataset) -> int | InputError:
    """Write one mask and return the number of boxes without a change, or what is wrong."""
    try:
        assert image.template
        seen = read_annotated(image, options)
        tested = _white(seen.pixels, image.path)
        clean = _white(read_image(image.template, options.bit_depth), image.template)
        if tested.shape != clean.shape:
            raise InputError(
                f"{image.template}: {clean.shape[1]}x{clean.shape[0]} px, but {image.path.name} has "
                f"{tested.shape[1]}x{tested.shape[0]} px; replace it or set dataset.derive_masks to false"
            )
        if (share := float((tested ^ clean).mean())) > MAX_DIFFERENT:
            raise InputError(
                f"{image.template}: {100 * share:.0f}% of it differ from {image.path.name}, so it shows another place; "
                "replace it or set dataset.derive_masks to false"
            )
        mask, unchanged = two_level_mask(tested, clean, seen.boxes or ())
        write_mask(image, mask, unchanged, folder)
        return len(unchanged)
    except InputError as error:
        return error


def _white(pixels: np.ndarray, path: Path) -> np.ndarray:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if (share := float(((grey > GREYS[0]) & (grey < GREYS[1])).mean())) > MAX_GREY_SHARE:
        raise InputError(
            f"{path}: {100 * share:.0f}% of it are grey, but masks are derived from black and white pictures; set "
            "dataset.derive_masks to false"
        )
    return np.asarray(grey > LEVEL)
