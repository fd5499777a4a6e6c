"""Windows: which rectangles of a source image become tiles."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.tiling.settings import Tile


@dataclass(frozen=True)
class Window:
    """A rectangle of the source image that becomes one tile, in source pixels."""

    x: int
    y: int
    width: int
    height: int

    def of(self, array: np.ndarray) -> np.ndarray:
        """Return a view of the window of an array (H, W, ...) of the whole image."""
        return array[self.y : self.y + self.height, self.x : self.x + self.width]


def window_starts(length_px: int, px: int, overlap_px: int, border: Literal["drop", "shift"]) -> list[int]:
    """Return where windows start along one side: 0, stride, 2 stride ... with stride = px - overlap_px.

    Only full windows count: floor((length - px) / stride) + 1 of them.

    Args:
        length_px: of the image's side.
        px: side of a window.
        overlap_px: what neighbouring windows share, less than px.
        border: what happens to a rest at the end: "drop" leaves it out, "shift" covers it by one more window that ends
            where the image does.

    Returns:
        Starts in pixels, rising; none where the side is shorter than a window.
    """
    starts = list(range(0, length_px - px + 1, px - overlap_px))
    if border == "shift" and starts and starts[-1] + px < length_px:
        starts.append(length_px - px)
    return starts


def windows(height_px: int, width_px: int, tile: Tile) -> list[Window]:
    """Return an image's windows row by row; an image smaller than a tile in either side is one window, all of it.

    Args:
        height_px: of the image.
        width_px: of the image.
        tile: the section of params.yaml; under `mode: resize` every image is one window.
    """
    if tile.mode == "resize" or min(height_px, width_px) < tile.px:
        return [Window(0, 0, width_px, height_px)]
    return [
        Window(x, y, tile.px, tile.px)
        for y in window_starts(height_px, tile.px, tile.overlap_px, tile.border)
        for x in window_starts(width_px, tile.px, tile.overlap_px, tile.border)
    ]
