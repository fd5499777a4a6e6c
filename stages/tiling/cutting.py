"""Cutting source images into tiles with their truth and label, and writing them as shards and an index."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import SourceImage
from stages.datasets.lookalikes import signature
from stages.datasets.settings import Dataset
from stages.datasets.truths import AUTO, read_annotated
from stages.records.hashes import pixels_sha
from stages.records.shards import BOXES, EXACT, IMAGES, INDEX_FILE, SHARD_TILES, SIGNATURES_FILE, ShardWriter
from stages.records.tables import write_table
from stages.records.tiles import INDEX_COLUMNS
from stages.runtime.errors import InputError
from stages.runtime.progress import progress
from stages.tiling.labels import index_line
from stages.tiling.ordered_map import map_in_order
from stages.tiling.resizing import tile_pixels
from stages.tiling.settings import Tile
from stages.tiling.truth_tiles import pack, truth_tile
from stages.tiling.windows import Window, windows

SQUEEZED = "narrower than a tile on one side and squeezed into one (tile.px)"
UNCLEAR = "without the tiles that show a box in which nothing has changed"
BOXES_ALONE = "with boxes alone, where others have an exact mask"
WITHOUT_DEFECTIVE_TILE = "defective, but without a defective tile (tile.defect_threshold, tile.border)"


@dataclass(frozen=True)
class CutImage:
    """The tiles of one image.

    Attributes:
        images: n tiles (px, px, 3) uint8 RGB. They are views of the image's pixels where that is possible: they are
            copied once, when they are written.
        truths: kind of truth -> (n, px, ceil(px / 8)) uint8, one bit a pixel.
        lines: n lines of the index, without their place in the shards.
        signature: of the whole image, see `stages.datasets.lookalikes.signature`.
        notes: what was assumed in reading the image and whether its defects got lost, in the same words for all images.
    """

    images: list[np.ndarray]
    truths: dict[str, np.ndarray]
    lines: list[dict[str, Any]]
    signature: np.ndarray
    notes: tuple[str, ...] = ()


def cut_image(image: SourceImage, tile: Tile, options: Dataset = AUTO) -> CutImage:
    """Decode one image and cut it into tiles.

    Where only the image has a label, the whole image becomes one tile whatever the mode: the label says nothing about a
    part. A window of another extent than px x px is resized to it, its truth as `stages.tiling.truth_tiles` says. A
    window with a place of which nobody knows whether it is defect (`Annotated.unclear`) makes no tile.

    Args:
        image: what the data set says of it.
        tile: the section of params.yaml.
        options: the section `dataset`: how pixels and masks are read.

    Raises:
        InputError: see `stages.datasets.truths.read_annotated`.
    """
    annotated = read_annotated(image, options)
    pixels, truths, notes = annotated.pixels, annotated.truths, list(annotated.notes)
    height, width = pixels.shape[:2]
    places = windows(height, width, tile) if truths else [Window(0, 0, width, height)]
    if tile.mode == "window" and truths and min(height, width) < tile.px and height != width:
        notes.append(SQUEEZED)
    if annotated.unclear is not None:
        clear = [window for window in places if not window.of(annotated.unclear).any()]
        notes += [UNCLEAR] if len(clear) < len(places) else []
        places = clear
    of_image = {
        "source": image.source,
        "group": image.group,
        "official": image.official or "",
        "pixels_sha": pixels_sha(pixels),
    }
    lines = [of_image | index_line(image, annotated, place, tile.defect_threshold, tile.label_by) for place in places]
    marked = any(truth.any() for truth in truths.values())
    if image.label is None and marked and not any(line["label"] == "defective" for line in lines):
        notes.append(WITHOUT_DEFECTIVE_TILE)
    packed = {
        kind: pack([truth_tile(window.of(truth), tile.px) for window in places], tile.px)
        for kind, truth in truths.items()
    }
    if image.some_masked and EXACT not in packed:  # its index line says that there is none (exact_px)
        packed[EXACT] = np.zeros_like(packed[BOXES])
        notes.append(BOXES_ALONE)
    images = [tile_pixels(window.of(pixels), tile.px) for window in places]
    return CutImage(images, packed, lines, signature(pixels), tuple(notes))


def make_tiles(
    images: list[SourceImage],
    tile: Tile,
    folder: Path,
    workers: int,
    cluster: str | None = None,
    bad_files: BadFiles | None = None,
    options: Dataset = AUTO,
) -> pd.DataFrame:
    """Cut all images, in order, into shards and an index, and keep the signature of each that has tiles.

    What is written does not depend on who computes it.

    Args:
        images: what the data set says of each.
        tile: the section of params.yaml.
        folder: where shards and index are made.
        workers: threads that decode and cut (the decoder releases Python's lock), where there is no cluster.
        cluster: address of a Dask scheduler, whose workers cut instead; see `stages.tiling.ordered_map`.
        bad_files: what happens to an image that cannot be used, and what is noted of the others; None refuses the
            first bad one.
        options: the section `dataset`: how pixels and masks are read.

    Returns:
        The index, with `stages.records.tiles.INDEX_COLUMNS`.

    Raises:
        InputError: see `cut_image`, unless `bad_files` leaves such images out; no image is left; some images have a
            kind of truth that others lack.
    """
    bad_files = bad_files or BadFiles()
    lines: list[dict[str, Any]] = []
    signatures: list[np.ndarray] = []
    with ExitStack() as stack:
        writers: dict[str, ShardWriter] = {}
        cuts = map_in_order(partial(_cut_or_error, tile=tile, options=options), images, workers, cluster)
        for image, cut in progress(zip(images, cuts, strict=True), "tile", total=len(images)):
            if isinstance(cut, InputError):
                bad_files.refuse(cut, image.source)
                continue
            bad_files.notes.update(cut.notes)
            if not cut.lines:
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
            signatures.append(cut.signature)
            for line in cut.lines:
                lines.append(line | {"shard": len(lines) // SHARD_TILES, "row": len(lines) % SHARD_TILES})
    if not lines:
        raise InputError("params.yaml: dataset.root: none of its images could be used; see the warnings above")
    np.save(folder / SIGNATURES_FILE, np.stack(signatures))
    return write_table(folder / INDEX_FILE, pd.DataFrame(lines), INDEX_COLUMNS)


def _cut_or_error(image: SourceImage, tile: Tile, options: Dataset) -> CutImage | InputError:
    """Return a broken image's error instead of raising it, so that the images after it go on."""
    try:
        return cut_image(image, tile, options)
    except InputError as error:
        return error
