"""Layers to the colours of a board under even light: solder mask, copper below it, bare metal, holes, silk screen.

Images are planar here, float32 (3, height, width), RGB in 0..255: one material is one plane times a colour.
"""

import cv2
import numpy as np

from stages.boards.layers import Layers, coverage, shrunk
from stages.boards.style import Colour, Style

REACH_PX = 24  # no pixel's colour depends on layers farther away than this


def board_texture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the unevenness of the physical board: fine grain plus slow mottling.

    Drawn once per design: it belongs to the board, not to the photograph.

    Args:
        height: of the board in pixels.
        width: of the board in pixels.
        rng: source of chance.

    Returns:
        (height, width) float32, mean 0, standard deviation about 1.
    """
    fine = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), 0.8)
    texture = 0.6 / fine.std() * fine
    for cell, weight in ((6, 0.6), (40, 0.5)):
        coarse = rng.standard_normal((height // cell + 2, width // cell + 2), np.float32)
        texture += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return texture


def paint(layers: Layers, style: Style, texture: np.ndarray) -> np.ndarray:
    """Render layers, before light, lens and sensor.

    Each material is mixed by its coverage, from below to above: mask over substrate, mask over copper, silk screen,
    bare metal, holes. Light from `style.light` brightens edges that face it and darkens those that do not, which
    is what a raised trace under solder mask looks like.

    Args:
        layers: of the board, or of a window of it.
        style: of the design.
        texture: (height, width) of the same window.

    Returns:
        (3, height, width) float32 RGB, 0..255.
    """
    copper, opening, silk = coverage(layers.copper), coverage(layers.opening), coverage(layers.silk)
    hole, drill = coverage(layers.hole), coverage(layers.drill)
    grain = style.grain * texture

    soft = cv2.GaussianBlur(copper, (0, 0), 1.0)
    shade = 1 + style.relief * _slope(soft, style) + grain
    shade -= 0.5 * soft * (1 - soft)  # mask is thin and dull on edges
    shade -= 0.3 * (cv2.GaussianBlur(opening, (0, 0), 2.0) - opening).clip(0, 1)
    image = np.empty((3, *copper.shape), np.float32)
    for plane, low, high in zip(image, style.substrate, style.copper, strict=True):
        np.multiply(copper, high - low, out=plane)
        plane += low
        plane *= shade
    _over(image, style.silk, 1 + grain, 0.94 * silk)
    _over(image, style.finish, _metal(layers, style, texture), opening)
    if style.soldered:
        _over(image, style.finish, _solder(hole, style, texture), hole)
    else:
        _look_through(image, hole, style)
    _look_through(image, drill, style)
    return image


def repaint(
    image: np.ndarray, layers: Layers, style: Style, texture: np.ndarray, windows: list[tuple[int, int, int, int]]
) -> np.ndarray:
    """Paint windows of a board anew.

    Equal to painting all of the layers when they differ from those of `image` inside the windows only, and much
    faster: everything is painted once per design.

    Args:
        image: the board as `paint` made it.
        layers: what the windows are to show.
        style: of the design.
        texture: of the whole board.
        windows: x_min, y_min, x_max, y_max in pixels, half-open.

    Returns:
        A copy of `image`, changed in the windows.
    """
    image = image.copy()
    height, width = texture.shape
    for x0, y0, x1, y1 in windows:
        top, bottom = max(y0 - 2 * REACH_PX, 0), min(y1 + 2 * REACH_PX, height)
        left, right = max(x0 - 2 * REACH_PX, 0), min(x1 + 2 * REACH_PX, width)
        part = paint(layers.crop(left, top, right, bottom), style, texture[top:bottom, left:right])
        inner = slice(max(y0 - REACH_PX, 0), y1 + REACH_PX), slice(max(x0 - REACH_PX, 0), x1 + REACH_PX)
        rows = slice(inner[0].start - top, min(inner[0].stop, height) - top)
        columns = slice(inner[1].start - left, min(inner[1].stop, width) - left)
        image[:, inner[0], inner[1]] = part[:, rows, columns]
    return image


def _metal(layers: Layers, style: Style, texture: np.ndarray) -> np.ndarray:
    """Brightness of plated copper: a shallow dome, dull at its rim and around its hole, mottled, with highlights."""
    dome = _dome(shrunk(layers.opening & ~layers.hole) > 127, 11, 1.6)
    slope = _slope(dome, style)
    highlight = slope + 0.05 * texture
    return 0.60 + 0.28 * dome + 0.8 * slope + 0.075 * texture + 2.4 * (highlight - 0.15).clip(0, 0.25)


def _solder(hole: np.ndarray, style: Style, texture: np.ndarray) -> np.ndarray:
    """Brightness of a hole filled with solder: a bump with a dark rim and a highlight."""
    dome = _dome(hole > 0.5, 9, 1.3)
    slope = _slope(dome, style)
    return 0.44 + 0.5 * dome + slope + 0.08 * texture + 2.6 * (slope - 0.1).clip(0, 0.3)


def _dome(mask: np.ndarray, rim_px: int, blur_px: float) -> np.ndarray:
    """Return the height of metal on a mask, float32 0..1: it rises from 0 at the rim to 1 at `rim_px` inside."""
    rim = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return cv2.GaussianBlur(np.sqrt(np.minimum(rim * np.float32(1 / rim_px), 1)), (0, 0), blur_px)


def _look_through(image: np.ndarray, hole: np.ndarray, style: Style) -> None:
    """Look through open holes: the backing in the shadow of the board, and the lit part of the wall."""
    dx, dy = round(4 * np.cos(style.light)), round(4 * np.sin(style.light))
    shadow = np.clip(hole - np.roll(hole, (dy, dx), (0, 1)), 0, 1)
    wall = np.clip(hole - np.roll(hole, (-dy, -dx), (0, 1)), 0, 1)
    wall = cv2.GaussianBlur(wall, (0, 0), 1.2)
    bright = 1 - 0.5 * cv2.GaussianBlur(shadow, (0, 0), 1.5)
    _over(image, style.backing, bright, hole)
    _over(image, style.finish, np.full_like(hole, 0.62), wall * hole)


def _slope(height: np.ndarray, style: Style) -> np.ndarray:
    """Return how much a surface faces the light, per pixel: the central difference towards the light."""
    across = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.25 * np.cos(style.light))
    return across + cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.25 * np.sin(style.light))


def _over(image: np.ndarray, colour: Colour, brightness: np.ndarray, alpha: np.ndarray) -> None:
    """Lay colour times brightness over the image where alpha is above 0, in place."""
    if not alpha.any():
        return
    light, rest = brightness * alpha, 1 - alpha
    for plane, channel in zip(image, colour, strict=True):
        plane *= rest
        plane += channel * light
