"""The data card: one picture that says what a data set holds and shows tiles of each class with their truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.drawing import BOXES_COLOUR, EXACT_COLOUR, outline, save

COLOURS = {"boxes": BOXES_COLOUR, "exact": EXACT_COLOUR}
PANEL, GAP, LEFT, RIGHT, HEAD = 1.15, 0.24, 1.45, 0.15, 0.45  # inches
LINE = 0.21  # height of a line of the table, inches
HISTOGRAM = 2.2  # least height of what is above the tiles, inches
MAX_CLASSES = 12  # rows of tiles; the table has all classes
DPI = 100
GREY = "#444444"


@dataclass(frozen=True)
class CardTile:
    """A tile on the card."""

    image: NDArray[np.uint8]  # (px, px, 3) RGB
    truths: Mapping[str, NDArray[np.bool_]]  # "boxes" and / or "exact" -> (px, px)


@dataclass(frozen=True)
class Card:
    """Everything on the card."""

    title: str
    facts: Sequence[tuple[str, str]]  # name and value, one line each
    columns: Sequence[str]  # splits
    counts: Mapping[str, Sequence[int]]  # class -> tiles in each split
    extents: Mapping[str, NDArray[np.floating]]  # truth -> share of the tile, above 0 to 1, of each defective tile
    samples: Mapping[str, Sequence[CardTile]]  # class -> tiles


def draw_card(path: Path, card: Card) -> None:
    """Draw the card into a PNG; the same card gives the same bytes.

    Above: counts by class and split, facts, and a histogram of how much of a defective tile is defect (logarithmic,
    in percent of the tile). Below: one row of tiles for each class; boxes in a blue line, exact masks in an orange one.
    """
    shown = list(card.samples)[:MAX_CLASSES]
    columns = max(len(tiles) for tiles in card.samples.values())
    width = max(LEFT + columns * (PANEL + 0.06) + RIGHT, 11.3)
    top = HEAD + max(HISTOGRAM, LINE * (max(len(card.counts) + 2, len(card.facts)) + 1))
    height = top + len(shown) * (PANEL + GAP) + GAP + 0.25
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    figure.text(0.15 / width, 1 - 0.12 / height, card.title, fontsize=13, fontweight="bold", va="top")
    _draw_counts(figure, card, width, height)
    _draw_facts(figure, card, width, height)
    axes = figure.add_axes(((width - 3.2) / width, 1 - (HEAD + HISTOGRAM - 0.5) / height, 3.05 / width, 1.5 / height))
    _draw_extents(axes, card.extents)
    figure.text(0.15 / width, 1 - (top + 0.1) / height, _legend(card, shown), fontsize=9, color=GREY, va="top")
    for row, name in enumerate(shown):
        bottom = height - top - 0.25 - (row + 1) * (PANEL + GAP) + GAP
        place = bottom + PANEL / 2
        figure.text(0.15 / width, place / height, name.replace("_", " "), fontsize=10, va="center", wrap=False)
        for column, tile in enumerate(card.samples[name]):
            left = LEFT + column * (PANEL + 0.06)
            axes = figure.add_axes((left / width, bottom / height, PANEL / width, PANEL / height))
            _draw_tile(axes, tile)
    save(canvas, path)


def _legend(card: Card, shown: Sequence[str]) -> str:
    said = {"boxes": "boxes in a blue line", "exact": "exact mask in an orange line"}
    kinds = sorted({kind for tiles in card.samples.values() for tile in tiles for kind in tile.truths})
    more = f" ({len(card.samples) - len(shown)} more are not shown)" if len(shown) < len(card.samples) else ""
    if not kinds:
        return f"tiles of each class{more}; no truth but the label of the whole image"
    truth = ", ".join(said[kind] for kind in kinds)
    return f"tiles of each class{more}, from the least to the largest annotated area; {truth}; below: share of defect"


def _draw_counts(figure: Figure, card: Card, width: float, height: float) -> None:
    """Write the table of classes by splits, and its sums."""
    places = [1.75 + 0.72 * column for column in range(len(card.columns) + 1)]
    sums = [sum(column) for column in zip(*card.counts.values(), strict=True)]
    rows: list[tuple[str, list[str] | list[int], str]] = [("tiles", [*card.columns, "all"], "bold")]
    rows += [(name.replace("_", " "), [*row, sum(row)], "normal") for name, row in card.counts.items()]
    rows += [("all", [*sums, sum(sums)], "bold")]
    for line, (name, values, weight) in enumerate(rows):
        y = 1 - (HEAD + LINE * (line + 0.5)) / height
        figure.text(0.15 / width, y, name, fontsize=9.5, fontweight=weight, va="center")
        for place, value in zip(places, values, strict=True):
            text = value if isinstance(value, str) else f"{value:,}"
            figure.text((place + 0.3) / width, y, text, fontsize=9.5, fontweight=weight, ha="right", va="center")


def _draw_facts(figure: Figure, card: Card, width: float, height: float) -> None:
    left = 1.75 + 0.72 * (len(card.columns) + 1) + 0.1
    for line, (name, value) in enumerate(card.facts):
        y = 1 - (HEAD + LINE * (line + 0.5)) / height
        figure.text(left / width, y, name, fontsize=9.5, color=GREY, va="center")
        figure.text((left + 1.0) / width, y, value, fontsize=9.5, va="center")


def _draw_extents(axes: Axes, extents: Mapping[str, NDArray[np.floating]]) -> None:
    known = {kind: 100 * shares for kind, shares in extents.items() if len(shares)}
    if not known:
        axes.set_axis_off()
        axes.text(
            0.5, 0.5, "no truth but labels:\nextents of defects are not known", ha="center", va="center", color=GREY
        )
        return
    lowest = min(shares.min() for shares in known.values())
    edges = np.geomspace(10 ** np.floor(np.log10(lowest)), 100, 25)
    edges[-1] *= 1 + 1e-9  # rounding must not push a wholly defective tile out
    for kind, shares in known.items():
        label = f"{kind}, median {np.median(shares):.2g}%"
        axes.hist(shares, list(edges), histtype="stepfilled", color=COLOURS[kind], alpha=0.35)
        axes.hist(shares, list(edges), histtype="step", color=COLOURS[kind], linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("share of a defective tile that is defect, %", fontsize=8.5)
    axes.set_ylabel("tiles", fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_tile(axes: Axes, tile: CardTile) -> None:
    axes.set_axis_off()
    axes.imshow(tile.image, interpolation="antialiased")
    for kind in ("boxes", "exact"):
        if kind in tile.truths:
            outline(axes, tile.truths[kind], COLOURS[kind])
    shares = [_percent(truth.mean()) for _, truth in sorted(tile.truths.items()) if truth.any()]
    axes.text(0.5, -0.02, " / ".join(shares), transform=axes.transAxes, fontsize=7.5, color=GREY, ha="center", va="top")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.2g}%"
