"""The gallery of one model: tiles as a picture of what it saw, what is true, where it looked and what it said."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from stages.figures.drawing import GREY, HEATMAP_COLOURS, TRUTH_COLOURS, Sheet, outline, show
from stages.figures.tile_pictures import TilePictures

PREDICTION_COLOUR = "#ffffff"
TRUTH_WORDS = {"boxes": "box", "exact": "mask"}
LEGEND_WORDS = {"boxes": "boxes in a blue line", "exact": "exact mask in orange"}
ANSWER_COLOURS = {"found": "#00614a", "missed": "#b34700", "false alarm": "#8f2d6b", "correct": "#333333"}
PANEL, GAP, TOP, LEFT, RIGHT = 1.9, 0.06, 1.05, 0.1, 1.75  # inches


@dataclass(frozen=True)
class Gallery:
    """The rows of a gallery: n tiles, and what a classifier and its heatmaps say of them."""

    tiles: TilePictures
    heatmaps: NDArray[np.floating]  # (n, px, px), any range
    predictions: NDArray[np.bool_]  # (n, px, px) the thresholded heatmaps
    # truth -> (n,) 1 where the heatmap's peak lies in it, 0 where not, NaN where the pointing game is undefined
    hits: Mapping[str, NDArray[np.floating]]
    probability: NDArray[np.floating]  # (n,) of a defect
    defective: NDArray[np.bool_]  # (n,) true label
    threshold: float  # a tile is called defective where its probability is above it

    def answer(self, row: int) -> str:
        """Return what the classifier's answer was: found | missed | false alarm | correct (a good tile called good)."""
        called = self.probability[row] > self.threshold
        if self.defective[row]:
            return "found" if called else "missed"
        return "false alarm" if called else "correct"

    def peak(self, row: int) -> str:
        """Return whether the heatmap's peak lies in each truth of a defective tile; "" where there is none."""
        if not self.defective[row] or not self.hits:
            return ""
        hits = {TRUTH_WORDS[kind]: values[row] for kind, values in self.hits.items()}
        return "peak " + ", ".join(
            f"{'n/a' if np.isnan(hit) else 'in' if hit else 'off'} {word}" for word, hit in hits.items()
        )


def draw_gallery(path: Path, gallery: Gallery, title: str) -> None:
    """Draw tiles as rows of tile, truth, heatmap and prediction into a PNG; the same tiles give the same bytes.

    Truth: outline of the boxes in blue, exact mask in orange. Heatmap: from its own minimum (dark) to its maximum
    (bright), over the tile. Prediction: outline of the thresholded heatmap; none for a tile called good.
    """
    columns = {"tile": _draw_tile, "truth": _draw_truth, "heatmap": _draw_heatmap, "prediction": _draw_prediction}
    step, rows = PANEL + GAP, len(gallery.tiles)
    sheet = Sheet(LEFT + len(columns) * step + RIGHT, TOP + rows * step + GAP)
    sheet.text(LEFT, sheet.height - 0.12, title, fontsize=12, fontweight="bold", va="top")
    sheet.text(LEFT, sheet.height - 0.42, _legend(gallery.tiles), fontsize=9, color=GREY, va="top")
    for column, name in enumerate(columns):
        middle = LEFT + column * step + PANEL / 2
        sheet.text(middle, sheet.height - TOP + 0.08, name, fontsize=10.5, ha="center", va="bottom")
    for row in range(rows):
        bottom = sheet.height - TOP - (row + 1) * step + GAP
        for column, draw in enumerate(columns.values()):
            draw(sheet.panel(LEFT + column * step, bottom, PANEL), gallery, row)
        left, middle, answer = LEFT + len(columns) * step + 0.04, bottom + PANEL / 2, gallery.answer(row)
        colour = ANSWER_COLOURS[answer]
        sheet.text(left, middle + 0.07, answer, fontsize=12, fontweight="bold", color=colour, va="bottom")
        label = "defective" if gallery.defective[row] else "good"
        details = f"is {label}\np(defect) {gallery.probability[row]:.3f}\n{gallery.peak(row)}"
        sheet.text(left, middle, details, fontsize=10, va="top", linespacing=1.4)
    sheet.save(path)


def _legend(tiles: TilePictures) -> str:
    """Return what the colours mean, of what is there alone."""
    truths = ", ".join(words for kind, words in LEGEND_WORDS.items() if kind in tiles.truths)
    heatmaps = "heatmap: each from its lowest (dark) to its highest value (bright)"
    return f"truth: {truths}; {heatmaps}" if truths else heatmaps


def _draw_tile(axes: Axes, gallery: Gallery, row: int) -> None:
    show(axes, gallery.tiles.images[row])


def _draw_truth(axes: Axes, gallery: Gallery, row: int) -> None:
    truths = {kind: truth[row] for kind, truth in gallery.tiles.truths.items()}
    picture = _grey(gallery.tiles.images[row])
    if "exact" in truths:
        colour = np.array(to_rgb(TRUTH_COLOURS["exact"]))
        picture[truths["exact"]] = 0.45 * picture[truths["exact"]] + 0.55 * colour
    show(axes, picture)
    if "boxes" in truths:
        outline(axes, truths["boxes"], TRUTH_COLOURS["boxes"])
    if not truths:
        place = axes.transAxes
        axes.text(0.5, 0.5, "label only", transform=place, ha="center", va="center", fontsize=10, color="white")


def _draw_heatmap(axes: Axes, gallery: Gallery, row: int) -> None:
    heatmap = gallery.heatmaps[row]
    low, high = float(heatmap.min()), float(heatmap.max())
    heat = (heatmap - low) / (high - low) if high > low else np.zeros_like(heatmap)
    colours = colormaps[HEATMAP_COLOURS](heat)[..., :3]
    show(axes, 0.68 * colours + 0.32 * _grey(gallery.tiles.images[row]))


def _draw_prediction(axes: Axes, gallery: Gallery, row: int) -> None:
    show(axes, _grey(gallery.tiles.images[row]))
    outline(axes, gallery.predictions[row], PREDICTION_COLOUR)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the tile's luminance (ITU-R BT.601) as RGB 0..1, stretched: the background of what is drawn in colour.

    Its 1st and 99th percentiles become black and near white, with at most doubled contrast, so that an even tile
    stays even.
    """
    luminance = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    low, high = np.percentile(luminance, (1, 99))
    gain = min(2.0, 0.9 / max(high - low, 1e-6))
    stretched = np.clip(gain * (luminance - (low + high) / 2) + 0.45, 0, 0.95)
    return np.repeat(stretched[..., None], 3, axis=2)
