"""Heatmaps that know nothing of the model, to be scored like any other; and one that knows the truth.

Each gives (n, h, w) float32 maps on a grid of choice (see `stages.metrics.geometry`), so that a control has the
resolution of the method that it is compared with. A method that does not beat all of them has shown nothing.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.metrics.geometry import cell_averages, extent_px
from stages.runtime.seeds import derive_seed

CONTROLS = ("centre_prior", "random_map", "edge_map")


def centre_prior(
    count: int, height: int, width: int, px: int, cell_px: float | None = None, offset_px: float = 0.0
) -> NDArray[np.float32]:
    """Return the same Gaussian around the tile's centre for every tile, with a standard deviation of px / 4.

    exp(-((x - px / 2)^2 + (y - px / 2)^2) / (2 (px / 4)^2)) at each cell's centre (x, y)

    Args:
        count: how many maps, all the same.
        height, width: cells of a map.
        px: side of a tile.
        cell_px, offset_px: side of a cell, and where the first begins, see the top of `stages.metrics.geometry`.

    >>> centre_prior(1, 3, 3, 96)[0, 1].astype(float).round(2).tolist()
    [0.41, 1.0, 0.41]
    """
    down, across = (
        np.exp(-(((np.arange(cells) + 0.5) * extent_px(cells, px, cell_px) + offset_px - px / 2) ** 2) / (px**2 / 8))
        for cells in (height, width)
    )
    return np.repeat((down[:, None] * across)[None].astype(np.float32), count, axis=0)


def random_map(tile_ids: Sequence[str], height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Return cells drawn evenly from 0..1, by a seed of each tile's own: the same whatever tiles are with it.

    Args:
        tile_ids: n names; a map depends on its own alone.
        height, width: cells of a map.
        seed: another one draws other maps.

    Returns:
        (n, height, width) 0..1.

    >>> bool((random_map(["a", "b"], 2, 2)[1] == random_map(["b"], 2, 2)[0]).all())
    True
    """
    maps = np.empty((len(tile_ids), height, width), np.float32)
    for heatmap, tile_id in zip(maps, tile_ids, strict=True):
        heatmap[:] = np.random.default_rng(derive_seed(seed, "random map", tile_id)).random((height, width), np.float32)
    return maps


def edge_map(
    images: NDArray[np.uint8], height: int, width: int, cell_px: float | None = None, offset_px: float = 0.0
) -> NDArray[np.float32]:
    """Return how strong the edges in each cell are: the magnitude of the Sobel gradient of the grey image, averaged.

    Args:
        images: (n, px, px, 3) RGB.

    >>> edge_map(np.full((1, 8, 8, 3), 9, np.uint8), 2, 2).tolist()
    [[[0.0, 0.0], [0.0, 0.0]]]
    """
    edges = np.empty(images.shape[:3], np.float32)
    for image, edge in zip(images, edges, strict=True):
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
        # gradients are whole numbers, their squares exact in float32: cv2.magnitude rounds otherwise in several threads
        edge[:] = np.sqrt(across * across + down * down)
    return cell_averages(edges, height, width, cell_px, offset_px)


def grid_truth(
    truth: NDArray[np.bool_], height: int, width: int, cell_px: float | None = None, offset_px: float = 0.0
) -> NDArray[np.float32]:
    """Return the truth (n, px, px) averaged to a grid: the true fraction of each cell, 0..1.

    Enlarged and scored like a heatmap (probability 1 where defective), it says what scores a map of that resolution can
    be expected to reach. It is no upper bound: cells that stretch the defect's border may score higher.

    Args:
        truth: (n, px, px), true is defect.
        height, width: cells of the grid.
        cell_px, offset_px: side of a cell, and where the first begins, see the top of `stages.metrics.geometry`.

    >>> grid_truth(np.array([[[1, 1], [1, 0]]], bool), 1, 2).tolist()
    [[[1.0, 0.5]]]
    """
    return cell_averages(truth.astype(np.float32), height, width, cell_px, offset_px)
