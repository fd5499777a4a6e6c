"""How many annotated tiles it takes: the score of the supervised network by their number, beside labels alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.figures.drawing import GREY, TRUTH_COLOURS, Sheet

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, GAP = 4.2, 2.9, 0.75, 0.65, 0.75, 0.8  # inches
TITLES = {"boxes": "against boxes", "exact": "against exact masks"}


@dataclass(frozen=True)
class Curve:
    """One score of one model against one truth."""

    points: Sequence[tuple[int, float]]  # annotated defective tiles, score; one for each share and seed
    labels_alone: float  # the same score of the model's own map


def curves_of(lines: Iterable[tuple[Any, ...]]) -> dict[str, Curve]:
    """Return truth -> curve, of lines of truth, metric, share, annotated tiles, seed, score, score of labels alone."""
    found: dict[str, Curve] = {}
    for truth, _, _, count, _, value, own in lines:
        found[truth] = Curve((*(found[truth].points if truth in found else ()), (count, value)), own)
    return found


def words_of(curves: Mapping[str, Curve], metric: str) -> str:
    """Return from how many annotated tiles on labels alone are beaten, by every truth."""
    words = []
    for truth, curve in curves.items():
        count = beaten_from(curve)
        beaten = f"beaten from {count} annotated tiles on" if count else "not beaten by as many as were tried"
        words.append(f"{TITLES[truth]} {metric} {curve.labels_alone:.3f} of labels alone is {beaten}")
    return "; ".join(words)


def means_of(points: Sequence[tuple[int, float]]) -> dict[int, float]:
    """Return number of annotated tiles, ascending -> the mean score over seeds.

    >>> means_of([(30, 0.5), (3, 0.25), (30, 0.75)])
    {3: 0.25, 30: 0.625}
    """
    of_count: dict[int, list[float]] = {}
    for count, value in sorted(points):
        of_count.setdefault(count, []).append(value)
    return {count: sum(values) / len(values) for count, values in of_count.items()}


def beaten_from(curve: Curve) -> int | None:
    """Return from how many annotated tiles on the mean stays above labels alone; None: not by those that were tried.

    >>> beaten_from(Curve([(1, 0.6), (3, 0.2), (9, 0.6), (27, 0.7)], labels_alone=0.5))
    9
    """
    first = None
    for count, mean in reversed(means_of(curve.points).items()):
        if not mean > curve.labels_alone:
            break
        first = count
    return first


def draw_curves(path: Path, curves: Mapping[str, Curve], metric: str, title: str) -> None:
    """Draw a panel for each truth into a PNG; the same curves give the same bytes.

    Dots are single seeds, the line is their mean, the dashed line is the model's own map, which saw labels alone.

    Args:
        path: of the PNG.
        curves: truth -> its curve.
        metric: which score it is.
        title: above all.
    """
    sheet = Sheet(LEFT + len(curves) * (WIDTH + GAP) - GAP + 0.2, BOTTOM + HEIGHT + TOP)
    sheet.text(0.15, sheet.height - 0.12, title, fontsize=12, fontweight="bold", va="top")
    for number, (truth, curve) in enumerate(curves.items()):
        axes = sheet.axes(LEFT + number * (WIDTH + GAP), BOTTOM, WIDTH, HEIGHT)
        means = means_of(curve.points)
        axes.set_xscale("log")
        colour = TRUTH_COLOURS[truth]
        axes.plot(*zip(*sorted(curve.points), strict=True), ".", color=colour, markersize=9, alpha=0.6)
        axes.plot(list(means), list(means.values()), "-", color=colour, linewidth=2, label="annotation (mean of seeds)")
        axes.axhline(curve.labels_alone, linestyle="--", color=GREY, label="labels alone")
        axes.set_xticks(list(means), [f"{count:,}" for count in means])
        axes.minorticks_off()
        axes.set_ylim(0, max([curve.labels_alone, *(value for _, value in curve.points)]) * 1.12)
        axes.set_xlabel("annotated defective training tiles")
        axes.set_ylabel(metric.replace("_", " "))
        axes.set_title(TITLES[truth], fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="lower right")
    sheet.save_every_colour(path)
