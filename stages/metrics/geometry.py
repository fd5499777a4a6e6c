"""Where the cells of a heatmap lie in its tile, and the two ways between cells and pixels.

Cell (i, j) covers cell_px x cell_px pixels of the tile; its centre lies at x = (j + 0.5) cell_px + offset_px and
y = (i + 0.5) cell_px + offset_px, where pixel k covers k..k + 1. The grid may reach beyond the tile (112 px at stride
32 are 4 cells, 128 px) and may be moved (a network's padding).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def extent_px(cells: int, px: int, cell_px: float | None) -> float:
    """Return the side of a cell in pixels; None stands for cells that fill the tile exactly, px / cells.

    >>> extent_px(7, 224, None), extent_px(4, 112, 32)
    (32.0, 32.0)
    """
    return px / cells if cell_px is None else float(cell_px)


def upsample(maps: Floats, px: int, cell_px: float | None = None, offset_px: float = 0.0) -> NDArray[np.float32]:
    """Enlarge heatmaps bilinearly to tiles: each pixel centre between the four nearest cell centres, edges repeated.

    It is two products with the matrix of `bilinear_weights`, which takes any cell and any offset, is exact to float32
    and four times as fast as cv2.resize; cv2.warpAffine rounds positions to 1/32 pixel.

    Args:
        maps: (n, h, w) heatmaps at native resolution.
        px: side of a tile in pixels.
        cell_px, offset_px: see the module; None where the cells fill the tile exactly.

    Returns:
        (n, px, px). A constant map stays exactly constant, whatever the products would round it to.

    >>> upsample(np.array([[[0.0, 4.0]]]), 4)[0, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    native = np.ascontiguousarray(maps, dtype=np.float32)
    count, height, width = native.shape
    down = bilinear_weights(height, px, cell_px, offset_px)
    across = down if height == width else bilinear_weights(width, px, cell_px, offset_px)
    # one product for each tile, so that a tile's values do not depend on the tiles beside it
    tall: NDArray[np.float32] = np.matmul(down, np.matmul(native, across.T))
    flat = native.reshape(count, -1)
    constant = flat.min(axis=1) == flat.max(axis=1) if native.size else np.zeros(count, bool)
    tall[constant] = flat[constant, :1, None]
    return tall


def bilinear_weights(cells: int, px: int, cell_px: float | None = None, offset_px: float = 0.0) -> NDArray[np.float32]:
    """Return the (px, cells) matrix that interpolates linearly between cell centres; each row adds up to 1.

    Args:
        cells: along one axis.
        px: pixels along it.
        cell_px, offset_px: side of a cell, and where the first begins.

    >>> bilinear_weights(2, 4).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    position = (np.arange(px) + 0.5 - offset_px) / extent_px(cells, px, cell_px) - 0.5
    position = np.clip(position, 0, cells - 1)
    before = np.minimum(position.astype(int), max(cells - 2, 0))
    share = position - before
    weights = np.zeros((px, cells), np.float32)
    rows = np.arange(px)
    weights[rows, before] = 1 - share
    if cells > 1:
        weights[rows, before + 1] = share
    return weights


def cell_averages(
    images: Floats, height: int, width: int, cell_px: float | None = None, offset_px: float = 0.0
) -> NDArray[np.float32]:
    """Average (n, px, px) images over the cells of a grid: the part of each cell that lies in the tile.

    A cell wholly outside repeats the tile's edge pixel.

    Args:
        images: (n, px, px).
        height, width: cells of the grid.
        cell_px, offset_px: side of a cell, and where the first begins.

    Returns:
        (n, height, width).

    >>> cell_averages(np.array([[[0.0, 2.0], [4.0, 6.0]]]), 1, 2).tolist()
    [[[2.0, 4.0]]]
    """
    px = images.shape[-1]
    down, across = (area_weights(cells, px, cell_px, offset_px) for cells in (height, width))
    averages: NDArray[np.float32] = np.matmul(np.matmul(down, images.astype(np.float32)), across.T)
    return averages


def area_weights(cells: int, px: int, cell_px: float | None = None, offset_px: float = 0.0) -> NDArray[np.float32]:
    """Return the (cells, px) matrix that averages pixels over cells; each row adds up to 1.

    Args:
        cells: along one axis.
        px: pixels along it.
        cell_px, offset_px: side of a cell, and where the first begins.

    >>> area_weights(2, 4).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    side = extent_px(cells, px, cell_px)
    # at least a sliver of the edge pixel, so that a cell outside the tile has something to repeat
    start = np.clip(np.arange(cells) * side + offset_px, 0, px - 1e-3)[:, None]
    stop = np.clip((np.arange(cells) + 1) * side + offset_px, 1e-3, px)[:, None]
    pixels = np.arange(px)[None, :]
    overlap = np.clip(np.minimum(stop, pixels + 1) - np.maximum(start, pixels), 0, None)
    weights: NDArray[np.float32] = (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def centre_pixels(
    cells: NDArray[np.integer], count: int, px: int, cell_px: float | None = None, offset_px: float = 0.0
) -> NDArray[np.intp]:
    """Return the pixel that holds the centre of each cell index along one axis; centres outside count as the edge.

    Args:
        cells: any shape, 0 for the first cell.
        count: cells along the axis.
        px: pixels along it.
        cell_px, offset_px: side of a cell, and where the first begins.

    >>> centre_pixels(np.array([0, 3]), 4, 112, cell_px=32).tolist()
    [16, 111]
    """
    centres = (cells + 0.5) * extent_px(count, px, cell_px) + offset_px
    return np.clip(np.floor(centres), 0, px - 1).astype(np.intp)
