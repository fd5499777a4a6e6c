"""A design as rasters: copper, openings of the solder mask, holes, silk screen; drawn at twice the final resolution.

Supersampling is what makes edges smooth: `coverage` averages 2 x 2 samples into the fraction of a pixel that is
covered. Defects edit these rasters, so a defect is rendered by the same code as everything else.
"""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike

from stages.boards.layout import Design
from stages.boards.parts import Ink, Pad, Point, Trace
from stages.boards.routing import EDGE_PX

SCALE = 2  # samples per pixel and axis
BITS = 4  # fractional bits of the coordinates that OpenCV draws with


@dataclass(frozen=True)
class Layers:
    """Rasters of shape (SCALE * height, SCALE * width), uint8, 0 or 255."""

    copper: np.ndarray  # without what the holes remove
    opening: np.ndarray  # the solder mask is open: copper is bare and plated
    hole: np.ndarray  # plated holes
    drill: np.ndarray  # unplated mounting holes; never edited
    silk: np.ndarray  # never edited

    def crop(self, x_min: int, y_min: int, x_max: int, y_max: int) -> "Layers":
        """Return views of a window given in pixels of the final image."""
        window = slice(y_min * SCALE, y_max * SCALE), slice(x_min * SCALE, x_max * SCALE)
        return Layers(*(getattr(self, field.name)[window] for field in fields(self)))

    def copy(self) -> "Layers":
        """Return layers whose copper, opening and hole can be edited."""
        return replace(self, copper=self.copper.copy(), opening=self.opening.copy(), hole=self.hole.copy())


def coverage(raster: np.ndarray) -> np.ndarray:
    """Return the fraction of each pixel that a raster covers.

    Args:
        raster: (SCALE * height, SCALE * width) uint8, 0 or 255.

    Returns:
        (height, width) float32, 0..1.
    """
    return shrunk(raster).astype(np.float32) / 255


def shrunk(raster: np.ndarray) -> np.ndarray:
    """Return the mean of the samples of each pixel.

    Args:
        raster: (SCALE * height, SCALE * width) uint8.

    Returns:
        (height, width) uint8.
    """
    return cv2.resize(raster, (raster.shape[1] // SCALE, raster.shape[0] // SCALE), interpolation=cv2.INTER_AREA)


def draw_layers(design: Design, rng: np.random.Generator) -> Layers:
    """Draw all layers of a clean board.

    Args:
        design: what is on it.
        rng: source of chance, for the extent of the copper pour.
    """
    shape = (SCALE * design.height, SCALE * design.width)
    copper, opening, hole, drill, silk = (np.zeros(shape, np.uint8) for _ in range(5))
    for trace in design.traces:
        _draw_trace(copper, trace)
    for pad in design.pads:
        _draw_pad(copper, pad, 0.0)
        if pad.bare:
            _draw_pad(opening, pad, -1.5)
        if pad.hole:
            _disc(hole, pad.centre, pad.hole / 2)
    if design.style.teardrops:
        for pad, point in design.joints:
            _draw_teardrop(copper, pad, point)
    for x, y, radius in design.drills:
        _disc(drill, (x, y), radius)
    if design.style.pour != "none":
        _pour(design, copper, drill, rng)
    if design.style.dots:
        _draw_dots(copper, drill)
    for pad in design.pads:
        if not pad.bare and pad.hole == 0 and pad.width >= 28:
            _disc(copper, pad.centre, 4.5, 0)  # a via under solder mask shows as a disc with a small dimple
    copper[(hole | drill) > 0] = 0
    kept_free = cv2.dilate(opening | drill, np.ones((6 * SCALE + 1,) * 2, np.uint8))
    for ink in design.ink:
        _draw_ink(silk, ink, kept_free)
    silk[kept_free > 0] = 0
    return Layers(copper, opening, hole, drill, silk)


def _fixed(points: ArrayLike) -> np.ndarray:
    """Pixels of the final image to OpenCV's fixed-point coordinates of the raster."""
    return np.round((np.asarray(points, float) * SCALE + (SCALE - 1) / 2) * 2**BITS).astype(np.int32)


def fill(raster: np.ndarray, points: np.ndarray) -> None:
    """Fill a polygon with 255.

    Args:
        raster: changed in place, uint8.
        points: (n, 2) x and y in pixels of the final image.
    """
    cv2.fillPoly(raster, [_fixed(points)], 255, cv2.LINE_8, BITS)


def _line(raster: np.ndarray, points: ArrayLike, width: int) -> None:
    """Draw a polyline with round ends, its points in pixels of the final image, its width in samples."""
    cv2.polylines(raster, [_fixed(points)], False, 255, width, cv2.LINE_8, BITS)


def _disc(raster: np.ndarray, centre: Point, radius: float, value: int = 255, line: int = -1) -> None:
    """Draw a disc, or a circle whose line is so many samples wide."""
    cv2.circle(raster, _fixed(centre).tolist(), round(radius * SCALE * 2**BITS), value, line, cv2.LINE_8, BITS)


def _draw_trace(raster: np.ndarray, trace: Trace) -> None:
    _line(raster, trace.points, trace.width * SCALE)


def _draw_pad(raster: np.ndarray, pad: Pad, grow: float) -> None:
    width, height = pad.width + 2 * grow, pad.height + 2 * grow
    if pad.shape == "round":
        _disc(raster, pad.centre, width / 2)
    elif pad.shape == "rect":
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
        fill(raster, corners + pad.centre)
    else:
        reach = np.array([max(width - height, 0) / 2, max(height - width, 0) / 2])
        _line(raster, [pad.centre - reach, pad.centre + reach], round(min(width, height) * SCALE))


def _draw_teardrop(raster: np.ndarray, pad: Pad, point: tuple[float, float]) -> None:
    along = np.array(point) - pad.centre
    length = float(np.hypot(*along))
    if length < pad.width * 0.9:
        return
    along = along / length
    across = np.array([-along[1], along[0]]) * min(pad.width, pad.height) * 0.46
    fill(raster, np.array([pad.centre + across, pad.centre + along * pad.width * 0.95, pad.centre - across]))


def _far_from(raster: np.ndarray, distance_px: float) -> np.ndarray:
    """Return (rows, columns) bool: where the nearest covered sample is farther than a distance."""
    return cv2.distanceTransform(255 - raster, cv2.DIST_L2, 5) > distance_px * SCALE


def _inside(shape: tuple[int, ...]) -> np.ndarray:
    """Return bool: what lies so far from the edge of the board that copper may be there."""
    inside = np.zeros(shape, bool)
    edge = EDGE_PX * SCALE
    inside[edge:-edge, edge:-edge] = True
    return inside


def _pour(design: Design, copper: np.ndarray, drill: np.ndarray, rng: np.random.Generator) -> None:
    """Fill a region between the traces with copper: solid, with a grid of dots left out, or as a hatch."""
    style = design.style
    region = _inside(copper.shape)
    if rng.random() < 0.5:  # only one side of the board, as on many real ones
        share = rng.uniform(0.45, 0.7)
        side = region.T if rng.random() < 0.5 else region
        side[int(len(side) * share) :] = False
    free = _far_from(copper | drill, style.pour_clearance_px) & region
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11 * SCALE, 11 * SCALE))
    solid = cv2.morphologyEx(free.astype(np.uint8), cv2.MORPH_OPEN, element)  # no slivers
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    large = stats[:, cv2.CC_STAT_AREA] >= 1200 * SCALE**2
    large[0] = False
    solid = large[labels].astype(np.uint8) * 255
    pattern = _pattern(design, solid)
    _thermals(design, copper, solid)
    copper[pattern > 0] = 255


def _pattern(design: Design, solid: np.ndarray) -> np.ndarray:
    """Return the copper of a pour over a solid area, uint8, 0 or 255."""
    if design.style.pour == "solid":
        return solid
    rows, columns = np.arange(solid.shape[0], dtype=np.int32)[:, None], np.arange(solid.shape[1], dtype=np.int32)
    inner = _far_from(255 - solid, 9)  # the border of the area stays solid
    if design.style.pour == "stipple":
        gaps = (rows % (16 * SCALE) < 5 * SCALE) & (columns % (16 * SCALE) < 5 * SCALE)
    else:
        wide = np.arange(sum(solid.shape) + 1) % (30 * SCALE) > 11 * SCALE  # between two lines of the hatch
        gaps = wide[rows + columns] & wide[rows - columns + solid.shape[1]]
    return np.where(inner & gaps, 0, solid).astype(np.uint8)


def _thermals(design: Design, copper: np.ndarray, solid: np.ndarray) -> None:
    """Join grounded pads to the pour by spokes that reach it; a spoke that would end in nothing is left out."""
    reach = design.style.pour_clearance_px + 8
    for pad in design.grounded:
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            end = np.array([pad.x + dx * (pad.width / 2 + reach), pad.y + dy * (pad.height / 2 + reach)])
            x, y = np.clip((end * SCALE).astype(int), 0, [solid.shape[1] - 1, solid.shape[0] - 1])
            if solid[y, x]:
                _line(copper, np.array([pad.centre, end]), 10 * SCALE)


def _draw_dots(copper: np.ndarray, drill: np.ndarray) -> None:
    """Regular isolated copper dots wherever a large area would be empty (copper thieving)."""
    step, radius = 26, 5
    free = _far_from(copper | drill, 24) & _inside(copper.shape)
    for y in range(step, copper.shape[0] // SCALE - step, step):
        for x in range(step, copper.shape[1] // SCALE - step, step):
            if free[y * SCALE, x * SCALE]:
                _disc(copper, (x, y), radius)


def _draw_ink(silk: np.ndarray, ink: Ink, kept_free: np.ndarray) -> None:
    """Draw an outline, or a text where all of it fits between pads and other silk screen."""
    if not ink.text:
        if ink.radius:
            _disc(silk, ink.points[0], ink.radius, line=2 * SCALE + 1)
        else:
            _line(silk, ink.points, 2 * SCALE + 1)
        return
    (width, height), base = cv2.getTextSize(ink.text, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * SCALE, 2 * SCALE)
    label = np.zeros((height + base + 4, width + 4), np.uint8)
    cv2.putText(label, ink.text, (2, height + 2), cv2.FONT_HERSHEY_SIMPLEX, 0.8 * SCALE, 255, 2 * SCALE)
    label = np.where(label > 127, 255, 0).astype(np.uint8)  # OpenCV 5 smooths text
    label = np.rot90(label) if ink.upright else label
    x, y = (max(0, round(value * SCALE)) for value in ink.points[0])
    window = slice(y, y + label.shape[0]), slice(x, x + label.shape[1])
    if silk[window].shape == label.shape and not (silk[window] | kept_free[window]).any():
        silk[window] = label
