"""The methods of one model side by side: rows are tiles; columns are the tile, its truth and one heatmap per method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.drawing import BOXES_COLOUR, EXACT_COLOUR
from stages.figures.gallery import HEATMAP_COLOURS
from stages.records.files import new_file

PANEL, GAP, TOP, DPI = 1.9, 0.06, 0.75, 100  # inches, and pixels per inch
TRUTH_COLOURS = {"boxes": BOXES_COLOUR, "exact": EXACT_COLOUR}


@dataclass(frozen=True)
class MethodHeatmap:
    """One heatmap (h, w) at native resolution, any range; its cells as in `stages.heatmaps.maps.MethodMaps`."""

    values: NDArray[np.floating]
    cell_px: float
    offset_px: float


@dataclass(frozen=True)
class MethodsRow:
    """One tile: its picture (px, px, 3) uint8, its truths by kind (px, px) bool, its heatmaps by column title."""

    image: NDArray[np.uint8]
    truths: Mapping[str, NDArray[np.bool_]]
    heatmaps: Mapping[str, MethodHeatmap]


def choose_rows(defective: NDArray[np.bool_], count: int) -> tuple[NDArray[np.intp], str]:
    """Choose at most `count` rows spread evenly over the defective ones, or over the good ones where all are good.

    Args:
        defective: (n,) true label of each tile, one tile at least.

    Returns:
        The rows, ascending, and what they are: "defective" or "good".
    """
    wanted = np.flatnonzero(defective if defective.any() else ~defective)
    chosen = wanted[np.linspace(0, len(wanted) - 1, min(len(wanted), count)).astype(int)]
    return chosen, "defective" if defective.any() else "good"


def methods_rows(
    images: NDArray[np.uint8],
    truths: Mapping[str, NDArray[np.bool_]],
    heatmaps: Mapping[str, Sequence[MethodHeatmap]],
) -> list[MethodsRow]:
    """Return the rows of n tiles: images (n, px, px, 3), truths (n, px, px) by kind, n heatmaps by column title."""
    return [
        MethodsRow(
            image,
            {kind: own[place] for kind, own in truths.items()},
            {title: own[place] for title, own in heatmaps.items()},
        )
        for place, image in enumerate(images)
    ]


def draw_methods(path: Path, rows: Sequence[MethodsRow], title: str) -> None:
    """Draw the rows into a PNG; the same rows give the same bytes.

    Truth: boxes as a blue line, exact mask as an orange one. Each heatmap from its own minimum (dark) to its maximum
    (bright), laid where its cells lie in the tile and joined bilinearly.
    """
    columns = ("tile", "truth", *rows[0].heatmaps)
    width = GAP + len(columns) * (PANEL + GAP)
    height = TOP + len(rows) * (PANEL + GAP)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(GAP / width, 1 - 0.1 / height, title, fontsize=12, fontweight="bold", va="top")
    for row, tile in enumerate(rows):
        for column, name in enumerate(columns):
            left, bottom = GAP + column * (PANEL + GAP), height - TOP - (row + 1) * (PANEL + GAP) + GAP
            axes = figure.add_axes((left / width, bottom / height, PANEL / width, PANEL / height))
            axes.set_axis_off()
            if row == 0:
                axes.set_title(name, fontsize=9.5, pad=4)
            _draw(axes, tile, name)
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw(axes: Axes, tile: MethodsRow, column: str) -> None:
    px = len(tile.image)
    whole = (0, px, px, 0)  # left, right, bottom, top in pixels of the tile
    if column in tile.heatmaps:
        heatmap = tile.heatmaps[column]
        high, wide = (count * heatmap.cell_px for count in heatmap.values.shape)
        start = heatmap.offset_px
        axes.imshow(tile.image, extent=whole)
        place = (start, start + wide, start + high, start)
        axes.imshow(heatmap.values, extent=place, cmap=HEATMAP_COLOURS, alpha=0.75, interpolation="bilinear")
    else:
        axes.imshow(tile.image, extent=whole)
        for kind, truth in tile.truths.items() if column == "truth" else ():
            if truth.any():
                middles = np.arange(-1, px + 1) + 0.5
                outline = np.pad(truth.astype(np.float64), 1)  # closes the line around what touches the border
                axes.contour(middles, middles, outline, levels=[0.5], colors=[TRUTH_COLOURS[kind]], linewidths=1.6)
    axes.set_xlim(0, px)
    axes.set_ylim(px, 0)
