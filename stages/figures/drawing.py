"""What pictures share: the colours of truths, outlines of masks, and small PNG files with the same bytes each time."""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image

from stages.records.files import new_file

BOXES_COLOUR, EXACT_COLOUR = "#56b4e9", "#e69f00"  # Okabe and Ito's
PALETTE = 256  # colours of the PNG: a quarter of the bytes, and no difference that an eye sees at this scale


def outline(axes: Axes, mask: NDArray[np.bool_], colour: str) -> None:
    """Draw the outline of a mask (px, px) in pixel coordinates of `axes`; nothing for an empty mask."""
    if not mask.any():
        return
    # a border of zeros closes the line around what touches the edge of the tile
    padded = np.pad(mask.astype(np.float64), 1)
    place = np.arange(-1, len(mask) + 1)
    line = axes.contour(place, place, padded, levels=[0.5], colors=[colour], linewidths=1.6)
    line.set(path_effects=[withStroke(linewidth=3.2, foreground="black")])
    axes.set_xlim(-0.5, mask.shape[1] - 0.5)
    axes.set_ylim(mask.shape[0] - 0.5, -0.5)


def save(canvas: FigureCanvasAgg, path: Path) -> None:
    """Write what is drawn as a PNG of 256 colours; the same drawing gives the same bytes."""
    buffer = BytesIO()
    canvas.print_rgba(buffer)
    width, height = canvas.get_width_height()
    picture = Image.frombytes("RGBA", (width, height), buffer.getvalue()).convert("RGB")
    with new_file(path) as temporary:
        # maximum coverage keeps the rare colours (the brightest of the heatmap, the outlines) that a median cut loses
        few = picture.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(temporary, format="PNG", optimize=True)
