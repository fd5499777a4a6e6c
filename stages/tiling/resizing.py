"""The pixels of a window as a tile."""

import cv2
import numpy as np


def tile_pixels(part: np.ndarray, px: int) -> np.ndarray:
    """Return the pixels of a window (h, w, 3) as a tile (px, px, 3), the same array where it has that extent.

    A window with more pixels than the tile is averaged by area, another one interpolated linearly.
    """
    height, width = part.shape[:2]
    if (height, width) == (px, px):
        return part
    shrinks = height * width > px * px
    return cv2.resize(part, (px, px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
