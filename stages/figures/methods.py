"""The methods of one model side by side: rows are tiles; columns are the tile, its truth and one heatmap per method."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from stages.figures.drawing import HEATMAP_COLOURS, TRUTH_COLOURS, Sheet, outline
from stages.figures.tile_pictures import TilePictures

PANEL, GAP, TOP = 1.9, 0.06, 0.75  # inches
LETTERS = 24  # of a line above a panel; longer ones are written smaller


@dataclass(frozen=True)
class MethodHeatmaps:
    """The heatmaps (n, h, w) of one method at native resolution, any range; cells as in `stages.heatmaps.maps`."""

    values: NDArray[np.floating]
    cell_px: float
    offset_px: float


def draw_methods(path: Path, tiles: TilePictures, heatmaps: Mapping[str, MethodHeatmaps], title: str) -> None:
    """Draw `methods_sheet` into a PNG; the same tiles and heatmaps give the same bytes."""
    methods_sheet(tiles, heatmaps, title).save_every_colour(path)


def methods_sheet(tiles: TilePictures, heatmaps: Mapping[str, MethodHeatmaps], title: str) -> Sheet:
    """Return a sheet with a row for each tile.

    Truth: boxes as a blue line, exact mask as an orange one. Each heatmap from its own minimum (dark) to its maximum
    (bright), laid where its cells lie in the tile and joined bilinearly.

    Args:
        heatmaps: title of the column, each word a line -> heatmaps of the n tiles.
    """
    px = tiles.images.shape[1]
    columns, step = ("tile", "truth", *heatmaps), PANEL + GAP
    sheet = Sheet(GAP + len(columns) * step, TOP + len(tiles) * step)
    sheet.text(GAP, sheet.height - 0.1, title, fontsize=12, fontweight="bold", va="top")
    for row, image in enumerate(tiles.images):
        bottom = sheet.height - TOP - (row + 1) * step + GAP
        for column, name in enumerate(columns):
            axes = sheet.panel(GAP + column * step, bottom, PANEL)
            if row == 0:
                lines = name.split(" ")
                size = 9.5 * min(1, LETTERS / max(map(len, lines)))
                axes.set_title("\n".join(lines), fontsize=size, pad=4)
            axes.imshow(image, extent=(0, px, px, 0))  # left, right, bottom, top in pixels of the tile
            if name == "truth":
                for kind, truth in tiles.truths.items():
                    outline(axes, truth[row], TRUTH_COLOURS[kind], corner=0, halo=False)
            elif name in heatmaps:
                _lay_over(axes, heatmaps[name], row)
            axes.set_xlim(0, px)
            axes.set_ylim(px, 0)
    return sheet


def _lay_over(axes: Axes, heatmaps: MethodHeatmaps, row: int) -> None:
    high, wide = (count * heatmaps.cell_px for count in heatmaps.values.shape[1:])
    start = heatmaps.offset_px
    place = (start, start + wide, start + high, start)
    axes.imshow(heatmaps.values[row], extent=place, cmap=HEATMAP_COLOURS, alpha=0.75, interpolation="bilinear")
