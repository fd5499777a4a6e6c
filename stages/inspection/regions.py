"""Regions: what the threshold lights up in the heatmap of a photograph; each has box, outline, area, peak, score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.inspection.tiles import Look
from stages.tiling.windows import Window

EXACT_CORNERS = 64  # an outline with more is simplified, which moves it by a pixel at most: stairs become slanted lines
TRACED_PIXELS = 2**23  # the outline of a region in a larger box is traced in steps of several pixels


@dataclass(frozen=True)
class Region:
    """An 8-connected region of lit pixels, in pixels of the upright photograph.

    Attributes:
        x, y, width, height: its box.
        polygon: (x, y) corners of its outer outline, along the edges of pixels; see `outline`.
        area_px: lit pixels.
        peak: highest value of the heatmap in it, 0..1 of a tile's own range.
        peak_x, peak_y: the pixel where, of equal ones the first.
        score: probability of a defect of the surest tile that covers that pixel, 0..1.
        kind: the kind of defect that this tile most likely shows.
    """

    x: int
    y: int
    width: int
    height: int
    polygon: list[tuple[int, int]]
    area_px: int
    peak: float
    peak_x: int
    peak_y: int
    score: float
    kind: str


def find_regions(
    heat: NDArray[np.uint8], look: Look, level: float, classes: Sequence[str], min_area_px: int
) -> list[Region]:
    """Return the regions of at least `min_area_px`, the highest score first, then the largest.

    Args:
        heat: (H, W) what `stages.metrics.blend.blend` returned.
        look: of the same photograph.
        level: pixels above it are lit.
        classes: the model's, which `look.kinds` counts.
    """
    if not heat.any():
        return []
    lit = (heat > level).view(np.uint8)
    # Both borders of every region: the outer one, and those of its holes, in which other regions may lie.
    contours, nesting = cv2.findContours(lit, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [number for number in range(len(contours)) if nesting[0, number, 3] < 0]
    found = []
    for number in outer:
        holes = _holes_of(number, nesting[0])
        inside = _filled(contours, number, holes)
        area_px = int(cv2.countNonZero(inside))
        if area_px >= min_area_px:
            found.append(_region(contours[number], inside, area_px, heat, look, classes))
    return sorted(found, key=lambda region: (-region.score, -region.area_px, region.y, region.x))


def _holes_of(outer: int, nesting: NDArray[np.int32]) -> list[int]:
    """Return the contours of the holes of a region: its first child and that one's neighbours."""
    holes, number = [], int(nesting[outer, 2])
    while number >= 0:
        holes.append(number)
        number = int(nesting[number, 0])
    return holes


def _filled(contours: Sequence[NDArray[np.int32]], outer: int, holes: list[int]) -> NDArray[np.uint8]:
    """Return the region in its box, 0 or 1; the contour of a hole runs along the lit pixels around it."""
    x, y, width, height = cv2.boundingRect(contours[outer])
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contours[outer]], 0, 1, cv2.FILLED, offset=(-x, -y))
    for hole in holes:
        cv2.drawContours(inside, [contours[hole]], 0, 0, cv2.FILLED, offset=(-x, -y))
        cv2.drawContours(inside, [contours[hole]], 0, 1, 1, offset=(-x, -y))
    return inside


def _region(
    contour: NDArray[np.int32],
    inside: NDArray[np.uint8],
    area_px: int,
    heat: NDArray[np.uint8],
    look: Look,
    classes: Sequence[str],
) -> Region:
    x, y, width, height = cv2.boundingRect(contour)
    values = heat[y : y + height, x : x + width] * inside
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    peak_x, peak_y = x + int(column), y + int(row)
    over = [tile for tile, window in enumerate(look.windows) if _covers(window, peak_x, peak_y)]
    surest = max(over, key=lambda tile: look.probability[tile])
    return Region(
        x,
        y,
        width,
        height,
        [(x + across, y + down) for across, down in outline(inside)],
        area_px,
        int(values[row, column]) / 255,
        peak_x,
        peak_y,
        float(look.probability[surest]),
        classes[look.kinds[surest]],
    )


def outline(inside: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the (x, y) corners of the outer outline of one 8-connected region, along the edges of its pixels.

    OpenCV's contours run through the centres of pixels, so a line of pixels would have no area. Of the region enlarged
    twice, pixels 2 x and 2 x + 1 stand for the left and the right edge of pixel x.

    One of more than 64 corners is simplified by Douglas and Peucker's algorithm (1973), to a pixel.

    Args:
        inside: (h, w) 0 or 1, its box. Where it has more than 2^23 pixels, steps of several pixels are taken, and the
            outline goes around what they touch.

    >>> outline(np.array([[1, 1, 1]], np.uint8))
    [(0, 0), (0, 1), (3, 1), (3, 0)]
    """
    step = math.ceil(math.sqrt(inside.size / TRACED_PIXELS))
    height, width = inside.shape
    if step > 1:
        padded = np.pad(inside, ((0, -height % step), (0, -width % step)))
        rows = np.maximum.reduceat(padded, np.arange(0, len(padded), step), axis=0)
        inside = np.maximum.reduceat(rows, np.arange(0, padded.shape[1], step), axis=1)
    twice = cv2.resize(inside, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = (max(contours, key=len)[:, 0] + 1) // 2 * step
    corners = np.minimum(corners, (width, height))
    moved = (corners != np.roll(corners, 1, axis=0)).any(axis=1)
    corners = corners[moved]
    along = corners - np.roll(corners, 1, axis=0)
    onward = np.roll(corners, -1, axis=0) - corners
    turns = along[:, 0] * onward[:, 1] != along[:, 1] * onward[:, 0]
    corners = corners[turns]
    if len(corners) > EXACT_CORNERS:
        corners = cv2.approxPolyDP(corners.astype(np.int32)[:, None], float(step), True)[:, 0]
    return [(int(x), int(y)) for x, y in corners]


def _covers(window: Window, x: int, y: int) -> bool:
    return window.x <= x < window.x + window.width and window.y <= y < window.y + window.height
