"""Cutting source images into tiles with their truth and label, and writing them as shards and an index."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import SourceImage
from stages.datasets.settings import Dataset
from stages.datasets.truths import AUTO, read_annotated
from stages.records.shards import BOXES, EXACT, IMAGES, INDEX_FILE, SHARD_TILES, ShardWriter
from stages.runtime.errors import InputError
from stages.runtime.progress import progress
from stages.tiling.engine import map_in_order
from stages.tiling.settings import Tile
from stages.tiling.truth_tiles import pack, truth_tile

INTEGERS = ("x", "y", "width", "height", "defect_px", "exact_px", "shard", "row")
# defect_px: annotated area that decided about the label; exact_px: that of the exact mask; both in source pixels of the
# window of width x height, like x and y, so only windows of px x px have them in tile pixels, too
UNKNOWN_PX = -1  # area of a truth that the data set does not have
SQUEEZED = "narrower than a tile on one side and squeezed into one (tile.px)"
WITHOUT_DEFECTIVE_TILE = "defective, but without a defective tile (tile.defect_threshold, tile.border)"
PIXELS_SHA_DIGITS = 16  # 64 bits: among a million images two alike by chance have a probability of 3e-8


@dataclass(frozen=True)
class Window:
    """A rectangle of the source image that becomes one tile, in source pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Cut:
    """The tiles of one image: n of (px, px, 3) uint8 RGB, packed truths (n, px, ceil(px / 8)) by kind, index rows.

    Tiles are views of the image's pixels where that is possible: they are copied once, when they are written. `notes`
    say what was assumed in reading the image and whether its defects got lost, in the same words for all images.
    """

    images: list[np.ndarray]
    truths: dict[str, np.ndarray]
    rows: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


def window_starts(length_px: int, px: int, overlap_px: int, border: Literal["drop", "shift"]) -> list[int]:
    """Return where windows start along one side: 0, stride, 2 stride ... with stride = px - overlap_px.

    Only full windows count: floor((length - px) / stride) + 1 of them. Under `shift` one more window lies flush with
    the end where something is left over; under `drop` that rest is not used.
    """
    starts = list(range(0, length_px - px + 1, px - overlap_px))
    if border == "shift" and starts and starts[-1] + px < length_px:
        starts.append(length_px - px)
    return starts


def windows(height_px: int, width_px: int, tile: Tile) -> list[Window]:
    """Return an image's windows row by row; an image smaller than a tile in either side is one window, all of it."""
    if tile.mode == "resize" or min(height_px, width_px) < tile.px:
        return [Window(0, 0, width_px, height_px)]
    return [
        Window(x, y, tile.px, tile.px)
        for y in window_starts(height_px, tile.px, tile.overlap_px, tile.border)
        for x in window_starts(width_px, tile.px, tile.overlap_px, tile.border)
    ]


def cut_image(image: SourceImage, tile: Tile, options: Dataset = AUTO) -> Cut:
    """Decode one image and cut it into tiles.

    A tile is defective when the annotated area of its window is above 0 and at least `defect_threshold` of the window,
    both in pixels of the source image: what is a hair in there must not depend on how far the window is shrunk. The
    area is that of the exact mask where the data set has one, else of the union of the boxes: boxes have
    margins, and a tile at the edge of one may show nothing but margin (four in ten of the tiles that 1% of box area
    calls defective, on generated boards and tiles of 112 px). Where only
    the image has a label, the whole image becomes one tile whatever the mode: the label says nothing about a part.
    A window of another extent than px x px is resized to it, its truth as `stages.tiling.truth_tiles` says. A window
    with a place of which nobody knows whether it is defect (`Annotated.unclear`) makes no tile.

    Raises:
        InputError: see `stages.datasets.truths.read_annotated`.
    """
    seen = read_annotated(image, options)
    height, width = seen.pixels.shape[:2]
    places = windows(height, width, tile) if seen.truths else [Window(0, 0, width, height)]
    notes = list(seen.notes)
    if tile.mode == "window" and seen.truths and min(height, width) < tile.px and height != width:
        notes.append(SQUEEZED)
    if seen.unclear is not None:
        clear = [window for window in places if not part_of(seen.unclear, window).any()]
        notes += ["without the tiles that show a box in which nothing has changed"] if len(clear) < len(places) else []
        places = clear
    truths = {
        kind: pack([truth_tile(part_of(truth, window), tile.px) for window in places], tile.px)
        for kind, truth in seen.truths.items()
    }
    digest = pixels_sha(seen.pixels)
    described = replace(image, boxes=seen.boxes)
    rows = [
        _index_row(described, digest, window, _areas(seen.truths, window), _areas(seen.kinds, window), tile)
        for window in places
    ]
    marked = any(truth.any() for truth in seen.truths.values())
    if image.label is None and marked and not any(row["label"] == "defective" for row in rows):
        notes.append(WITHOUT_DEFECTIVE_TILE)
    return Cut([_tile(seen.pixels, window, tile.px) for window in places], truths, rows, tuple(notes))


def pixels_sha(pixels: np.ndarray) -> str:
    """Return 16 hexadecimal digits that are the same for the same shape and pixels: the start of their SHA-256.

    SHA-256 because processors have instructions for it: two to five times as fast as BLAKE2b here.
    """
    digest = sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:PIXELS_SHA_DIGITS]


def make_tiles(
    images: list[SourceImage],
    tile: Tile,
    folder: Path,
    workers: int,
    cluster: str | None = None,
    bad_files: BadFiles | None = None,
    options: Dataset = AUTO,
) -> pd.DataFrame:
    """Cut all images, in order, into shards and the index in `folder`, and return the index.

    Images are decoded and cut by `workers` threads (the decoder releases Python's lock) or by the Dask workers of
    `cluster`, at most two per worker ahead of what is written, so memory does not grow with the number of images. What
    is written depends on neither.

    Raises:
        InputError: see `cut_image`, unless `bad_files` leaves such images out; no image is left; some images have a
            kind of truth that others lack.
    """
    bad_files = bad_files or BadFiles()
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        writers: dict[str, ShardWriter] = {}
        cuts = map_in_order(partial(_cut_or_error, tile=tile, options=options), images, workers, cluster)
        for image, cut in progress(zip(images, cuts, strict=True), "tile", total=len(images)):
            if isinstance(cut, InputError):
                bad_files.refuse(cut, image.source)
                continue
            bad_files.notes.update(cut.notes)
            if not cut.rows:
                continue
            arrays: dict[str, Sequence[np.ndarray] | np.ndarray] = {IMAGES: cut.images, **cut.truths}
            if not writers:
                writers = {
                    kind: stack.enter_context(ShardWriter(folder, kind, array[0].shape))
                    for kind, array in arrays.items()
                }
            if arrays.keys() != writers.keys():
                raise InputError(f"{image.path}: has {sorted(arrays)} but the images before it have {sorted(writers)}")
            for kind, array in arrays.items():
                writers[kind].append(array)
            for row in cut.rows:
                rows.append(row | {"shard": len(rows) // SHARD_TILES, "row": len(rows) % SHARD_TILES})
    if not rows:
        raise InputError("params.yaml: dataset.root: none of its images could be used; see the warnings above")
    index = pd.DataFrame(rows)
    index = index.astype(dict.fromkeys(INTEGERS, "int32"))
    index.to_parquet(folder / INDEX_FILE, index=False)
    return index


def _cut_or_error(image: SourceImage, tile: Tile, options: Dataset) -> Cut | InputError:
    """Return a broken image's error instead of raising it, so that the images after it go on."""
    try:
        return cut_image(image, tile, options)
    except InputError as error:
        return error


def part_of(array: np.ndarray, window: Window) -> np.ndarray:
    """Return a view of the window of an array (H, W, ...)."""
    return array[window.y : window.y + window.height, window.x : window.x + window.width]


def _areas(masks: dict[str, np.ndarray], window: Window) -> dict[str, int]:
    """Return how many pixels of each mask (H, W) lie in the window."""
    return {name: int(np.count_nonzero(part_of(mask, window))) for name, mask in masks.items()}


def _tile(pixels: np.ndarray, window: Window, px: int) -> np.ndarray:
    part = part_of(pixels, window)
    if part.shape[:2] == (px, px):
        return part
    shrinks = window.height * window.width > px * px
    return cv2.resize(part, (px, px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _index_row(
    image: SourceImage, digest: str, window: Window, areas: dict[str, int], kinds: dict[str, int], tile: Tile
) -> dict[str, Any]:
    if image.label is not None:
        area, annotation = UNKNOWN_PX, "label"
        defective = image.label == "defective"
    else:
        area, annotation = (areas[EXACT], "mask") if EXACT in areas else (areas[BOXES], "boxes")
        # a quotient, because 0.07 x 100 is more than 7 in floating point while 7 / 100 is 0.07
        defective = area > 0 and area / (window.width * window.height) >= tile.defect_threshold
    return {
        "tile_id": f"{image.source}@{window.x},{window.y}",
        "source": image.source,
        "group": image.group,
        "official": image.official or "",
        "x": window.x,
        "y": window.y,
        "width": window.width,
        "height": window.height,
        "defect_px": area,
        "exact_px": areas.get(EXACT, UNKNOWN_PX),
        "label": "defective" if defective else "good",
        "defect_class": _defect_class(image, window, kinds) if defective else "good",
        "annotation": annotation,
        "pixels_sha": digest,
    }


def _defect_class(image: SourceImage, window: Window, kinds: dict[str, int]) -> str:
    """Return the image's class, or where classes are mixed the one that fills most of the window.

    By the area of its outlines where there are any (`kinds`: pixels of each kind in the window), since the box around
    a long scratch covers what lies beside it; else by its boxes. A mask may reach beyond its box, so that a window
    shows no box at all: then the class of the nearest one.
    """
    if image.defect_class:
        return image.defect_class
    if any(kinds.values()):
        return min(kinds, key=lambda name: (-kinds[name], name))
    areas: Counter[str] = Counter()
    gaps: dict[str, int] = {}
    for box in image.boxes or ():
        width = min(box.x_max, window.x + window.width) - max(box.x_min, window.x)
        height = min(box.y_max, window.y + window.height) - max(box.y_min, window.y)
        areas[box.name] += max(width, 0) * max(height, 0)
        gap = max(-width, 0) ** 2 + max(-height, 0) ** 2
        gaps[box.name] = min(gaps.get(box.name, gap), gap)
    return min(areas, key=lambda name: (-areas[name], gaps[name], name))
