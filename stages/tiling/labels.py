"""The label and the class of a tile, and with them its line of the index."""

from collections import Counter
from typing import Any

import numpy as np

from stages.datasets.images import Box, SourceImage
from stages.datasets.truths import Annotated
from stages.records.shards import BOXES, EXACT
from stages.records.tiles import UNKNOWN_PX
from stages.runtime.errors import InputError
from stages.tiling.windows import Window

WORDS = {BOXES: "boxes", EXACT: "exact mask"}


def index_line(
    image: SourceImage, annotated: Annotated, window: Window, threshold: float, label_by: str = "auto"
) -> dict[str, Any]:
    """Return a tile's line of the index, without the columns that do not depend on the window.

    A tile is defective when the annotated area of its window is above 0 and at least `threshold` of the window, both in
    pixels of the source image: what is a hair in there must not depend on how far the window is shrunk. The area is
    that of the truth `label_by`: `boxes` is the union of the boxes, `exact` the exact mask, `auto` the exact mask where
    the data set has one of every image, else the boxes. Boxes have margins, and a tile at the edge of one may show
    nothing but margin (four in ten of the tiles that 1% of box area calls defective, on generated boards and tiles of
    112 px). Where only the image has a label, every window has the same.

    Args:
        image: what the data set says of the image.
        annotated: its pixels and truth.
        window: the tile's.
        threshold: `tile.defect_threshold`, 0..1.
        label_by: `tile.label_by`, auto | boxes | exact.

    Returns:
        Some of `stages.records.tiles.INDEX_COLUMNS`.

    Raises:
        InputError: the image has not the truth that is to label its windows.
    """
    areas = _areas_px(annotated.truths, window)
    if image.label is not None:
        area, annotation, defective = UNKNOWN_PX, "label", image.label == "defective"
    else:
        alike = EXACT in areas and not image.some_masked  # one data set, one kind of label
        kind = (EXACT if alike else BOXES) if label_by == "auto" else label_by
        if kind not in areas:
            raise InputError(f"{image.path}: has no {WORDS[kind]}, by which tile.label_by wants labels; use auto")
        area, annotation = areas[kind], "mask" if kind == EXACT else "boxes"
        # a quotient, because 0.07 x 100 is more than 7 in floating point while 7 / 100 is 0.07
        defective = area > 0 and area / (window.width * window.height) >= threshold
    return {
        "tile_id": f"{image.source}@{window.x},{window.y}",
        "x": window.x,
        "y": window.y,
        "width": window.width,
        "height": window.height,
        "defect_px": area,
        "exact_px": areas.get(EXACT, UNKNOWN_PX),
        "label": "defective" if defective else "good",
        "defect_class": _defect_class(image, annotated, window) if defective else "good",
        "annotation": annotation,
    }


def _areas_px(masks: dict[str, np.ndarray], window: Window) -> dict[str, int]:
    """Return how many pixels of each mask (H W bool) lie in the window."""
    return {name: int(np.count_nonzero(window.of(mask))) for name, mask in masks.items()}


def _defect_class(image: SourceImage, annotated: Annotated, window: Window) -> str:
    """Return the image's class, or where classes are mixed the one that fills most of the window.

    By the area of its outlines where there are any, since the box around a long scratch covers what lies beside it;
    else by its boxes.
    """
    if image.defect_class:
        return image.defect_class
    outlined = _areas_px(annotated.kinds, window)
    if any(outlined.values()):
        return min(outlined, key=lambda name: (-outlined[name], name))
    return _class_of_boxes(annotated.boxes or (), window)


def _class_of_boxes(boxes: tuple[Box, ...], window: Window) -> str:
    """Return the class whose boxes fill most of the window.

    A mask may reach beyond its box, so that a window shows no box at all: then it is the class of the nearest one.
    """
    areas: Counter[str] = Counter()
    gaps: dict[str, int] = {}  # class -> squared distance of its nearest box, in px^2
    for box in boxes:
        width = min(box.x_max, window.x + window.width) - max(box.x_min, window.x)
        height = min(box.y_max, window.y + window.height) - max(box.y_min, window.y)
        areas[box.name] += max(width, 0) * max(height, 0)
        gap = max(-width, 0) ** 2 + max(-height, 0) ** 2
        gaps[box.name] = min(gaps.get(box.name, gap), gap)
    return min(areas, key=lambda name: (-areas[name], gaps[name], name))
