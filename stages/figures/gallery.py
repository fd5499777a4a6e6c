"""The gallery of one model: tiles as a picture of what it saw, what is true, where it looked and what it said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.drawing import BOXES_COLOUR, EXACT_COLOUR, outline, save

HEATMAP_COLOURS = "viridis"  # perceptually uniform and readable with every colour vision deficiency
PREDICTION_COLOUR = "#ffffff"
TRUTH_WORDS = {"boxes": "box", "exact": "mask"}
VERDICT_COLOURS = {"found": "#00614a", "missed": "#b34700", "false alarm": "#8f2d6b", "correct": "#333333"}
COLUMNS = ("tile", "truth", "heatmap", "prediction")
PANEL, GAP, TOP, LEFT, RIGHT = 1.9, 0.06, 1.05, 0.1, 1.75  # inches
DPI = 100


@dataclass(frozen=True)
class GalleryTile:
    """One row of the gallery; all pictures have the tile's side."""

    image: NDArray[np.uint8]  # (px, px, 3) RGB
    truths: Mapping[str, NDArray[np.bool_]]  # "boxes" and / or "exact" -> (px, px); empty where there is none
    heatmap: NDArray[np.floating]  # (px, px), any range
    prediction: NDArray[np.bool_]  # (px, px) the thresholded heatmap
    probability: float  # of a defect
    defective: bool
    predicted_defective: bool
    hits: Mapping[str, bool | None]  # truth -> the heatmap's peak lies in it; None where the pointing game is undefined

    @property
    def verdict(self) -> str:
        """What the classifier's answer was: found | missed | false alarm | correct (a good tile called good)."""
        if self.defective:
            return "found" if self.predicted_defective else "missed"
        return "false alarm" if self.predicted_defective else "correct"

    @property
    def place(self) -> str:
        """Where the heatmap's peak lies on a defective tile, by every truth; empty where there is nothing to say."""
        words = {True: "in", False: "off", None: "n/a"}
        if not self.defective or not self.hits:
            return ""
        return "peak " + ", ".join(f"{words[hit]} {TRUTH_WORDS[kind]}" for kind, hit in self.hits.items())


def gallery_tiles(
    images: NDArray[np.uint8],
    truths: Mapping[str, NDArray[np.bool_]],
    heatmaps: NDArray[np.floating],
    predictions: NDArray[np.bool_],
    probability: NDArray[np.floating],
    defective: NDArray[np.bool_],
    threshold: float,
    hits: Mapping[str, NDArray[np.floating]],
) -> list[GalleryTile]:
    """Return the rows of n tiles: as `GalleryTile`, with n in front of every shape.

    Args:
        threshold: a tile is called defective where its probability is above it.
        hits: truth -> (n,) 1, 0 or NaN, as `stages.metrics.pointing.pointing_hits` returns them.
    """
    return [
        GalleryTile(
            image=images[place],
            truths={kind: truth[place] for kind, truth in truths.items()},
            heatmap=heatmaps[place],
            prediction=predictions[place],
            probability=float(probability[place]),
            defective=bool(defective[place]),
            predicted_defective=bool(probability[place] > threshold),
            hits={kind: None if np.isnan(own[place]) else bool(own[place]) for kind, own in hits.items()},
        )
        for place in range(len(images))
    ]


def choose_tiles(
    probability: NDArray[np.floating], defective: NDArray[np.bool_], threshold: float, count: int
) -> NDArray[np.intp]:
    """Choose the tiles that show best how a classifier does, the same ones for the same numbers.

    Five of eight rows are defective: one missed where there is any (the one with the median probability), the others
    spread over those found by quantiles of their probability. The rest are good: one false alarm where there is any
    (the most certain one), the others spread over the correct ones. Where one kind has too few tiles, the others fill
    up.

    Args:
        probability: (n,) of a defect.
        defective: (n,) true label.
        threshold: a tile is called defective above it.
        count: rows wanted.

    Returns:
        At most `count` distinct positions: found ones from the most to the least certain, missed ones, false alarms,
        good ones.
    """
    called = probability > threshold
    order = np.argsort(-probability, kind="stable")
    kinds = {
        "found": order[(defective & called)[order]],
        "missed": order[(defective & ~called)[order]],
        "false alarm": order[(~defective & called)[order]],
        "correct": order[(~defective & ~called)[order]],
    }
    have = {kind: len(positions) for kind, positions in kinds.items()}
    want = dict.fromkeys(kinds, 0)
    # filled in the order of interest: first one of each kind, then five in eight defective, then whatever is left
    wishes = ["found", "missed", "false alarm", "correct"]
    wishes += ["found"] * max(0, round(count * 5 / 8) - (2 if have["missed"] else 1))
    wishes += ["correct"] * count + ["found"] * count + ["missed"] * count + ["false alarm"] * count
    for kind in wishes:
        if sum(want.values()) < count and want[kind] < have[kind]:
            want[kind] += 1
    chosen = [positions[_spread(len(positions), want[kind], kind)] for kind, positions in kinds.items()]
    return np.concatenate(chosen)


def _spread(available: int, wanted: int, kind: str) -> NDArray[np.intp]:
    """Return `wanted` distinct places 0..available-1: the middles of equal parts, or the first ones for alarms."""
    if kind == "false alarm":
        return np.arange(wanted)
    return np.floor((np.arange(wanted) + 0.5) * available / max(wanted, 1)).astype(np.intp)


def draw_gallery(path: Path, tiles: Sequence[GalleryTile], title: str) -> None:
    """Draw tiles as rows of tile, truth, heatmap and prediction into a PNG; the same tiles give the same bytes.

    Truth: outline of the boxes in blue, exact mask in orange. Heatmap: from its own minimum (dark) to its maximum
    (bright), over the tile. Prediction: outline of the thresholded heatmap; none for a tile called good.
    """
    width = LEFT + len(COLUMNS) * (PANEL + GAP) + RIGHT
    height = TOP + len(tiles) * (PANEL + GAP) + GAP
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    figure.text(LEFT / width, 1 - 0.12 / height, title, fontsize=12, fontweight="bold", va="top")
    _legend(figure, LEFT / width, 1 - 0.42 / height, tiles)
    for column, name in enumerate(COLUMNS):
        x = (LEFT + column * (PANEL + GAP) + PANEL / 2) / width
        figure.text(x, 1 - (TOP - 0.08) / height, name, fontsize=10.5, ha="center", va="bottom")
    for row, tile in enumerate(tiles):
        bottom = height - TOP - (row + 1) * (PANEL + GAP) + GAP
        for column, draw in enumerate((_draw_tile, _draw_truth, _draw_heatmap, _draw_prediction)):
            left = LEFT + column * (PANEL + GAP)
            axes = figure.add_axes((left / width, bottom / height, PANEL / width, PANEL / height))
            axes.set_axis_off()
            draw(axes, tile)
        x = (LEFT + len(COLUMNS) * (PANEL + GAP) + 0.04) / width
        middle = (bottom + PANEL / 2) / height
        colour = VERDICT_COLOURS[tile.verdict]
        figure.text(x, middle + 0.07 / height, tile.verdict, fontsize=12, fontweight="bold", color=colour, va="bottom")
        label = "defective" if tile.defective else "good"
        said = f"is {label}\np(defect) {tile.probability:.3f}\n{tile.place}"
        figure.text(x, middle, said, fontsize=10, va="top", linespacing=1.4)
    save(canvas, path)


def _legend(figure: Figure, x: float, y: float, tiles: Sequence[GalleryTile]) -> None:
    """Say below the title what the colours mean, and only of what is there."""
    kinds = {kind for tile in tiles for kind in tile.truths}
    texts = {"boxes": "boxes in a blue line", "exact": "exact mask in orange"}
    truths = ", ".join(text for kind, text in texts.items() if kind in kinds)
    said = [f"truth: {truths}"] if truths else []
    said.append("heatmap: each from its lowest (dark) to its highest value (bright)")
    figure.text(x, y, "; ".join(said), fontsize=9, color="#444444", va="top")


def _draw_tile(axes: Axes, tile: GalleryTile) -> None:
    axes.imshow(tile.image, interpolation="antialiased")


def _draw_truth(axes: Axes, tile: GalleryTile) -> None:
    picture = _grey(tile.image)
    if "exact" in tile.truths:
        exact = tile.truths["exact"]
        picture[exact] = 0.45 * picture[exact] + 0.55 * np.array(to_rgb(EXACT_COLOUR))
    axes.imshow(picture, interpolation="antialiased")
    if "boxes" in tile.truths:
        outline(axes, tile.truths["boxes"], BOXES_COLOUR)
    if not tile.truths:
        axes.text(
            0.5, 0.5, "label only", transform=axes.transAxes, ha="center", va="center", fontsize=10, color="white"
        )


def _draw_heatmap(axes: Axes, tile: GalleryTile) -> None:
    low, high = float(tile.heatmap.min()), float(tile.heatmap.max())
    heat = (tile.heatmap - low) / (high - low) if high > low else np.zeros_like(tile.heatmap)
    colours = colormaps[HEATMAP_COLOURS](heat)[..., :3]
    axes.imshow(0.68 * colours + 0.32 * _grey(tile.image), interpolation="antialiased")


def _draw_prediction(axes: Axes, tile: GalleryTile) -> None:
    picture = _grey(tile.image)
    axes.imshow(picture, interpolation="antialiased")
    outline(axes, tile.prediction, PREDICTION_COLOUR)


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
