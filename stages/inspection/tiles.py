"""The tiles of a photograph, as in training, and what the model says of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.inspection.drift import MEASURES, distance
from stages.inspection.model import LineModel
from stages.inspection.settings import Options
from stages.runtime.errors import InputError
from stages.tiling.resizing import tile_pixels
from stages.tiling.settings import Tile
from stages.tiling.windows import Window, windows


@dataclass(frozen=True)
class Look:
    """What the model says of the n tiles of a photograph.

    Attributes:
        windows: their places, row by row.
        probability: (n,) of a defect, 0..1.
        maps: (n, rows, columns) heatmaps at native resolution.
        kinds: (n,) the likeliest kind of defect, an index into the model's classes.
        measures: name in `stages.inspection.drift.MEASURES` -> (n,) of each tile.
    """

    windows: list[Window]
    probability: NDArray[np.float32]
    maps: NDArray[np.float32]
    kinds: NDArray[np.intp]
    measures: dict[str, NDArray[np.float64]]


def line_tile(tile: Tile, overlap_px: int | None) -> Tile:
    """Return how photographs are cut: as in training, but up to their borders, and with another overlap where asked.

    Raises:
        InputError: the overlap is not less than a tile.
    """
    overlap = tile.overlap_px if overlap_px is None else overlap_px
    if overlap >= tile.px:
        raise InputError(f"--overlap-px is {overlap}; expected less than the model's tiles of {tile.px} px")
    return replace(tile, overlap_px=overlap, border="shift")


def grid(places: Sequence[Window]) -> tuple[list[int], list[int], int, int]:
    """Return upper sides, left sides (both rising), height and width of windows that lie in rows and columns."""
    tops, lefts = (sorted({getattr(window, side) for window in places}) for side in ("y", "x"))
    return tops, lefts, places[0].height, places[0].width


def look_at(pixels: NDArray[np.uint8], model: LineModel, options: Options) -> Look:
    """Run the model on every tile of a photograph.

    Args:
        pixels: (H, W, 3) RGB.
    """
    height, width = pixels.shape[:2]
    places = windows(height, width, line_tile(model.tile, options.overlap_px))
    said, quality = [], []
    for tiles in _batches(pixels, places, model.tile.px, options.batch):
        said.append(model.forward(tiles))
        quality += [brightness_sharpness(tile) for tile in tiles]
    probability = np.concatenate([each.probability for each in said])
    distances = np.concatenate([distance(each.features, model.metadata.reference) for each in said])
    brightness, sharpness = np.array(quality).T
    return Look(
        places,
        probability,
        np.concatenate([each.maps for each in said]),
        np.concatenate([each.kinds for each in said]),
        dict(zip(MEASURES, (distances, brightness, sharpness), strict=True)),
    )


def brightness_sharpness(tile: NDArray[np.uint8]) -> tuple[float, float]:
    """Return mean grey 0..1, and the variance of the Laplacian (Pech-Pacheco et al. 2000) of grey 0..255, of a tile."""
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
    deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))[1][0, 0]
    return cv2.mean(grey)[0] / 255, float(deviation) ** 2


def _batches(pixels: NDArray[np.uint8], places: list[Window], px: int, batch: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles (b, px, px, 3); the array is used again for the next ones."""
    tiles = np.empty((min(batch, len(places)), px, px, 3), np.uint8)
    for start in range(0, len(places), batch):
        part = places[start : start + batch]
        for row, window in enumerate(part):
            tiles[row] = tile_pixels(window.of(pixels), px)
        yield tiles[: len(part)]
