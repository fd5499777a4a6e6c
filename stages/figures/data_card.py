"""The data card: one picture that says what a data set holds and shows tiles of each class with their truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from stages.figures.drawing import GREY, TRUTH_COLOURS, Sheet, outline, show
from stages.figures.tile_pictures import TilePictures

PANEL, GAP, LEFT, RIGHT, TOP = 1.15, 0.24, 1.45, 0.15, 0.45  # inches
MARGIN = 0.15  # left of what is written, inches
STEP = PANEL + 0.06  # from one tile to the next, inches
LINE = 0.21  # height of a line of the table, inches
NUMBERS, NUMBER = 1.75, 0.72  # where the table's numbers begin, and the width of a column of them, inches
HISTOGRAM = 2.2  # least height of what is above the tiles, inches
MAX_CLASSES = 12  # rows of tiles; the table has all classes
LEGEND_WORDS = {"boxes": "boxes in a blue line", "exact": "exact mask in an orange line"}


@dataclass(frozen=True)
class Card:
    """Everything on the card."""

    title: str
    facts: Sequence[tuple[str, str]]  # name and value, one line each
    columns: Sequence[str]  # splits
    counts: Mapping[str, Sequence[int]]  # class -> tiles in each split
    extents: Mapping[str, NDArray[np.floating]]  # truth -> share of the tile, above 0 to 1, of each defective tile
    samples: Mapping[str, TilePictures]  # class -> tiles


def draw_card(path: Path, card: Card) -> None:
    """Draw the card into a PNG; the same card gives the same bytes.

    Above: counts by class and split, facts, and a histogram of how much of a defective tile is defect (logarithmic,
    in percent of the tile). Below: one row of tiles for each class; boxes in a blue line, exact masks in an orange one.
    """
    shown = list(card.samples)[:MAX_CLASSES]
    columns = max(len(tiles) for tiles in card.samples.values())
    width = max(LEFT + columns * STEP + RIGHT, 11.3)
    top = TOP + max(HISTOGRAM, LINE * (max(len(card.counts) + 2, len(card.facts)) + 1))
    sheet = Sheet(width, top + len(shown) * (PANEL + GAP) + GAP + 0.25)
    sheet.text(MARGIN, sheet.height - 0.12, card.title, fontsize=13, fontweight="bold", va="top")
    _write_counts(sheet, card)
    _write_facts(sheet, card)
    _draw_extents(sheet.axes(width - 3.2, sheet.height - TOP - HISTOGRAM + 0.5, 3.05, 1.5), card.extents)
    sheet.text(MARGIN, sheet.height - top - 0.1, _legend(card, shown), fontsize=9, color=GREY, va="top")
    for row, name in enumerate(shown):
        bottom = sheet.height - top - 0.25 - (row + 1) * (PANEL + GAP) + GAP
        sheet.text(MARGIN, bottom + PANEL / 2, name.replace("_", " "), fontsize=10, va="center", wrap=False)
        for place in range(len(card.samples[name])):
            _draw_tile(sheet.panel(LEFT + place * STEP, bottom, PANEL), card.samples[name], place)
    sheet.save(path)


def _legend(card: Card, shown: Sequence[str]) -> str:
    kinds = sorted({kind for tiles in card.samples.values() for kind in tiles.truths})
    more = f" ({len(card.samples) - len(shown)} more are not shown)" if len(shown) < len(card.samples) else ""
    if not kinds:
        return f"tiles of each class{more}; no truth but the label of the whole image"
    truth = ", ".join(LEGEND_WORDS[kind] for kind in kinds)
    return f"tiles of each class{more}, from the least to the largest annotated area; {truth}; below: share of defect"


def _write_counts(sheet: Sheet, card: Card) -> None:
    """Write the table of classes by splits, and its sums."""
    sums = [sum(column) for column in zip(*card.counts.values(), strict=True)]
    rows: list[tuple[str, list[str] | list[int], str]] = [("tiles", [*card.columns, "all"], "bold")]
    rows += [(name.replace("_", " "), [*row, sum(row)], "normal") for name, row in card.counts.items()]
    rows += [("all", [*sums, sum(sums)], "bold")]
    for line, (name, values, weight) in enumerate(rows):
        y = sheet.height - TOP - LINE * (line + 0.5)
        style: dict[str, Any] = {"fontsize": 9.5, "fontweight": weight, "va": "center"}
        sheet.text(MARGIN, y, name, **style)
        for column, value in enumerate(values):
            text = value if isinstance(value, str) else f"{value:,}"
            sheet.text(NUMBERS + NUMBER * column + 0.3, y, text, ha="right", **style)


def _write_facts(sheet: Sheet, card: Card) -> None:
    left = NUMBERS + NUMBER * (len(card.columns) + 1) + 0.1
    for line, (name, value) in enumerate(card.facts):
        y = sheet.height - TOP - LINE * (line + 0.5)
        sheet.text(left, y, name, fontsize=9.5, color=GREY, va="center")
        sheet.text(left + 1.0, y, value, fontsize=9.5, va="center")


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
        axes.hist(shares, list(edges), histtype="stepfilled", color=TRUTH_COLOURS[kind], alpha=0.35)
        axes.hist(shares, list(edges), histtype="step", color=TRUTH_COLOURS[kind], linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("share of a defective tile that is defect, %", fontsize=8.5)
    axes.set_ylabel("tiles", fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_tile(axes: Axes, tiles: TilePictures, place: int) -> None:
    show(axes, tiles.images[place])
    truths = {kind: tiles.truths[kind][place] for kind in sorted(tiles.truths)}
    for kind, truth in truths.items():
        outline(axes, truth, TRUTH_COLOURS[kind])
    shares = " / ".join(_percent(truth.mean()) for truth in truths.values() if truth.any())
    axes.text(0.5, -0.02, shares, transform=axes.transAxes, fontsize=7.5, color=GREY, ha="center", va="top")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.2g}%"
