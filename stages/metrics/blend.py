"""The heatmaps of tiles -> one heatmap of the photograph, strip by strip.

    map(y, x) = sum over tiles t of  w_t(y, x) v_t(y, x)

v_t is the tile's heatmap at tile size, scaled to 0..255 by its own minimum and maximum; black (0) where the tile is not
shown. w_t falls linearly from the middle of the tile to its borders, in both directions, and adds up to 1 over the
tiles that cover a pixel. Where one tile alone covers, w_t is 1 and the map is the tile's own, bit for bit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import bilinear_weights, upsample
from stages.metrics.thesis import scale_to_255

STRIP_VALUES = 2**24  # of a strip at most; 64 MiB


@dataclass(frozen=True)
class TileMaps:
    """Heatmaps of the tiles of a photograph: one at every upper with every left side, n in all, row by row.

    Attributes:
        tops, lefts: upper and left sides of their windows, rising, in pixels of the photograph; no gap between windows.
        height, width: of each window; another one than the tile's where it was resized.
        maps: (n, rows, columns) at native resolution.
        shown: (n,) False: black.
        px, cell_px, offset_px: see `stages.metrics.geometry`.
    """

    tops: Sequence[int]
    lefts: Sequence[int]
    height: int
    width: int
    maps: NDArray[np.float32]
    shown: NDArray[np.bool_]
    px: int
    cell_px: float
    offset_px: float

    def at_tile_size(self, tile: int) -> NDArray[np.float32]:
        """Return the heatmap of one tile, (px, px), 0..255; a constant one is black."""
        return scale_to_255(upsample(self.maps[tile : tile + 1], self.px, self.cell_px, self.offset_px))[0]


def border_weights(starts: Sequence[int], extent_px: int) -> NDArray[np.float32]:
    """Return (windows, extent_px) weights along one side; those of the windows that cover a pixel add up to 1.

    Before they are made to, they are the distance to the window's nearer border.

    Args:
        starts: of the windows, which together leave no gap.
        extent_px: of each.

    >>> border_weights([0, 2], 4).tolist()[0]
    [1.0, 1.0, 0.75, 0.25]
    """
    place = np.arange(extent_px) + 0.5
    falling = np.minimum(place, extent_px - place)
    total = np.zeros(max(starts) + extent_px)
    for start in starts:
        total[start : start + extent_px] += falling
    return np.array([falling / total[start : start + extent_px] for start in starts], np.float32)


def strips(tiles: TileMaps) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (first row, map (rows, W) 0..255) from top to bottom; rows without a shown tile are left out.

    Args:
        tiles: of one photograph.
    """
    tops, lefts, height, width = tiles.tops, tiles.lefts, tiles.height, tiles.width
    down, across = border_weights(tops, height), border_weights(lefts, width)
    kept: dict[int, NDArray[np.float32]] = {}  # tile -> its heatmap at tile size
    for begin, end in _rows(tops, height, lefts[-1] + width):
        over = [row for row, top in enumerate(tops) if top <= begin < top + height]
        shown = [row * len(lefts) + column for row in over for column in range(len(lefts))]
        shown = [tile for tile in shown if tiles.shown[tile]]
        kept = {tile: kept[tile] if tile in kept else tiles.at_tile_size(tile) for tile in shown}
        if not shown:
            continue
        strip = np.zeros((end - begin, lefts[-1] + width), np.float32)
        for tile, scaled in kept.items():
            row, column = divmod(tile, len(lefts))
            part = slice(begin - tops[row], end - tops[row])
            values = _window_rows(scaled, part, height, width) * down[row, part, None]
            values *= across[column]
            strip[:, lefts[column] : lefts[column] + width] += values
        yield begin, strip


def _rows(tops: Sequence[int], height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield where strips begin and end: none crosses the border of a window or is too large."""
    edges = sorted({*tops, *(top + height for top in tops)})
    most = max(1, STRIP_VALUES // width)
    for begin, end in pairwise(edges):
        for first in range(begin, end, most):
            yield first, min(first + most, end)


def _window_rows(scaled: NDArray[np.float32], rows: slice, height: int, width: int) -> NDArray[np.float32]:
    """Return some rows of a tile's heatmap (px, px) in its window, which it is stretched to where that is no tile."""
    px = len(scaled)
    if (height, width) == (px, px):
        return scaled[rows]
    return bilinear_weights(px, height)[rows] @ (scaled @ bilinear_weights(px, width).T)


def blend(tiles: TileMaps, height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Return the map of a photograph (H, W), rounded up to whole numbers: above a whole threshold is what was above it.

    Args:
        height_px, width_px: of the photograph.
    """
    heat = np.zeros((height_px, width_px), np.uint8)
    for top, strip in strips(tiles):
        heat[top : top + len(strip)] = np.ceil(strip, out=strip)
    return heat
