"""What pictures share: sheets measured in inches, colours and outlines, PNG files with the same bytes each time."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image

from stages.records.files import new_file

TRUTH_COLOURS = {"boxes": "#56b4e9", "exact": "#e69f00"}  # blue and orange of Okabe and Ito
HEATMAP_COLOURS = "viridis"  # perceptually uniform and readable with every colour vision deficiency
GREY = "#444444"
DPI = 100
JPEG_QUALITY = 88
PALETTE = 256  # colours of the PNG: a quarter of the bytes, and no difference that an eye sees at this scale


class Sheet:
    """A white sheet to draw on; places and sizes are in inches, from its lower left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text; `style` is what matplotlib's `Text` takes."""
        self.figure.text(x / self.width, y / self.height, text, **style)

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Return axes that fill a rectangle."""
        place = left / self.width, bottom / self.height, width / self.width, height / self.height
        return self.figure.add_axes(place)

    def panel(self, left: float, bottom: float, side: float) -> Axes:
        """Return a square without an axis, for a tile."""
        axes = self.axes(left, bottom, side, side)
        axes.set_axis_off()
        return axes

    def save(self, path: Path) -> None:
        """Write a PNG of 256 colours; the same drawing gives the same bytes."""
        buffer = BytesIO()
        self.canvas.print_rgba(buffer)
        picture = Image.frombytes("RGBA", self.canvas.get_width_height(), buffer.getvalue()).convert("RGB")
        with new_file(path) as temporary:
            # maximum coverage keeps the rare colours (brightest of the heatmap, outlines) that a median cut loses
            few = picture.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
            few.save(temporary, format="PNG", optimize=True)

    def save_every_colour(self, path: Path) -> None:
        """Write a PNG with all of its colours; the same drawing gives the same bytes."""
        with new_file(path) as temporary:
            temporary.write_bytes(self.png())

    def png(self) -> bytes:
        """Return the content of a PNG file with all colours: small for what has few, as bars and lines."""
        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    def jpeg(self) -> bytes:
        """Return the content of a JPEG file: small for photographs, in a tenth of the time that `save` takes."""
        buffer, file = BytesIO(), BytesIO()
        self.canvas.print_rgba(buffer)
        picture = Image.frombytes("RGBA", self.canvas.get_width_height(), buffer.getvalue()).convert("RGB")
        picture.save(file, format="JPEG", quality=JPEG_QUALITY)
        return file.getvalue()


def show(axes: Axes, picture: NDArray[np.generic]) -> None:
    """Draw a picture (px, px, 3), uint8 or 0..1; pixel (row, column) has its centre at y = row, x = column."""
    axes.imshow(picture, interpolation="antialiased")


def outline(axes: Axes, mask: NDArray[np.bool_], colour: str, corner: float = -0.5, halo: bool = True) -> None:
    """Draw the outline of a mask (px, px) over the picture of a tile; nothing for an empty mask.

    Args:
        corner: x and y of the tile's upper left corner in `axes`; where `show` has drawn it, -0.5.
        halo: whether the line has a black rim, which sets it off from any background.
    """
    if not mask.any():
        return
    # a border of zeros closes the line around what touches the edge of the tile
    padded = np.pad(mask.astype(np.float64), 1)
    middles = np.arange(-1, len(mask) + 1) + (corner + 0.5)
    line = axes.contour(middles, middles, padded, levels=[0.5], colors=[colour], linewidths=1.6)
    if halo:
        line.set(path_effects=[withStroke(linewidth=3.2, foreground="black")])
    axes.set_xlim(corner, corner + len(mask))
    axes.set_ylim(corner + len(mask), corner)
