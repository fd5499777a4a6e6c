"""Pictures for the person at the line: the photograph, and what is laid over it: heatmap, outlines, numbers of regions.

The overlay is a picture of its own, transparent where the heatmap is black, with a palette: the value of a pixel is its
level in the map of the photograph. Photograph and overlay painted into one PNG would take 150 ms and 7 MB for five
million pixels; so it is a few ms and KB, and whoever looks can make it fainter.
"""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from stages.inspection.regions import Region

OPACITY = 0.7  # of the colour where the heatmap is brightest
DARK, BRIGHT = 254, 255  # places in the palette of what is drawn; the map's levels 254 and 255 are shown as 253
JPEG_QUALITY = 90


def _palette() -> tuple[bytes, bytes]:
    """Return the colours of levels 0..253, black and white, RGB; and how much each covers, 0..255."""
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_INFERNO).reshape(256, 3)[:, ::-1].copy()
    cover = np.round(np.linspace(0, 255 * OPACITY, 256)).astype(np.uint8)
    colours[DARK], colours[BRIGHT] = 0, 255
    cover[[DARK, BRIGHT]] = 255
    return colours.tobytes(), cover.tobytes()


COLOURS, COVER = _palette()


@dataclass(frozen=True)
class Reduced:
    """A photograph as it is shown: `pixels` (h, w, 3) RGB, each side divided by `step` and rounded up."""

    pixels: NDArray[np.uint8]
    step: int


def reduce(pixels: NDArray[np.uint8], longest_px: int) -> Reduced:
    """Return a photograph reduced by the smallest whole number that leaves no side above `longest_px`; no copy at 1."""
    step = -(-max(pixels.shape[:2]) // longest_px)
    return Reduced(_shrunk(pixels, step), step)


def overlay(heat: NDArray[np.uint8], regions: Sequence[Region], step: int) -> NDArray[np.uint8]:
    """Return what is laid over a photograph that is shown reduced by `step`, as places in the palette (h, w).

    Args:
        heat: (H, W) the map of the photograph.
        regions: they are outlined, and numbered from 1 in their order.
        step: see `Reduced`.
    """
    drawn = np.minimum(_shrunk(heat, step), DARK - 1)
    line = max(1, round(max(drawn.shape) / 1500))
    for place, width in ((DARK, 3 * line), (BRIGHT, line)):
        outlines = [np.array(region.polygon, np.int32) // step for region in regions]
        cv2.polylines(drawn, outlines, True, place, width)
    for number, region in enumerate(regions, 1):
        _write_number(drawn, str(number), region, step, line)
    return drawn


def png(drawn: NDArray[np.uint8]) -> bytes:
    """Return what `overlay` returned as PNG."""
    picture = PIL.Image.fromarray(drawn)
    picture.putpalette(COLOURS)
    content = io.BytesIO()
    picture.save(content, "PNG", transparency=COVER, compress_level=1, compress_type=zlib.Z_RLE)
    return content.getvalue()


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture (h, w, 3) RGB as JPEG."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _shrunk(array: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    if step == 1:
        return array
    height, width = (-(-side // step) for side in array.shape[:2])
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)


def _write_number(drawn: NDArray[np.uint8], text: str, region: Region, step: int, line: int) -> None:
    """Write a region's number above its box, below where there is no room."""
    scale = 0.45 * line + 0.1
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    x = max(0, min(region.x // step, drawn.shape[1] - width))
    above = region.y // step - 3 * line
    y = above if above >= height else min(drawn.shape[0] - 1, (region.y + region.height) // step + height + 3 * line)
    for place, thick in ((DARK, 4 * line), (BRIGHT, line)):
        cv2.putText(drawn, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, place, thick)
