"""References, in the section "Ranking": each model as a bar between a detector without any defect and annotation."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from stages.figures.report.elements import cell_text, paragraph, svg_figure, table

LEFT, RIGHT, ROW, TOP, BOTTOM, WIDTH = 250, 24, 34, 34, 30, 760  # pixels of the drawing
COLOURS = {"own": "#7fb0e0", "nearest_good": "#b35806", "supervised": "#1b7837"}
TITLES = {"own": "labels alone", "nearest_good": "no defect seen (nearest good)", "supervised": "with annotation"}
FRACTIONS = {
    "own_of_supervised": "labels alone / with annotation",
    "nearest_good_of_supervised": "no defect seen / with annotation",
    "between": "place between the two",
}
TRUTHS = {"boxes": "boxes", "exact": "exact masks"}

Bracket = Mapping[str, Any]  # fields of `stages.ranking.record.Bracket`


def section(ranking: Mapping[str, Any]) -> str:
    """Return a drawing and a table of each truth, in the first metric; "" where no reference was asked for.

    Args:
        ranking: fields of `stages.ranking.record.Ranking`.
    """
    metric, parts = ranking["metrics"][0], []
    for truth in dict.fromkeys(bracket["truth"] for bracket in ranking["brackets"]):
        rows = [bracket for bracket in ranking["brackets"] if bracket["truth"] == truth]
        words = metric.replace("_", " ")
        caption = (
            f"Against {TRUTHS[truth]}, {words}: bars are labels alone with their 95% interval, lines the references"
        )
        parts.append(svg_figure(caption, bars(rows, metric)))
        parts.append(
            table(f"The same, {words} against {TRUTHS[truth]}", {row["line"]: _cells(row, metric) for row in rows})
        )
    lost = {name: reason for row in ranking["brackets"] for name, reason in row["left_out"].items()}
    parts += [paragraph(f"There is no {name}: {reason}.") for name, reason in lost.items()]
    return "\n".join(parts)


def bars(rows: Sequence[Bracket], metric: str) -> str:
    """Return the drawing as SVG: a bar for each model from 0, a line for each of its references, a diamond where the
    perfect map of its grid is.
    """
    known = [score["high"] for row in rows for score in row["scores"][metric].values()]
    known += [score["value"] for row in rows for score in row["scores"][metric].values()]
    known += [row["perfect"][metric] for row in rows]
    end = max([value for value in known if not math.isnan(value)] + [0.1])
    high = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        return LEFT + value / end * (WIDTH - LEFT - RIGHT)

    parts = [*_legend(), *_axis(x, end, high)]
    for number, row in enumerate(rows):
        middle = TOP + ROW * number + ROW / 2
        parts.append(f'<text x="{LEFT - 8}" y="{middle + 4:g}" text-anchor="end">{escape(row["line"])}</text>')
        parts += _row(row["scores"][metric], row["perfect"][metric], middle, x)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" height="{high}" '
        f'font-family="sans-serif" font-size="12" fill="#1b1b1b">{"".join(parts)}</svg>'
    )


def _row(scores: Mapping[str, Mapping[str, float]], perfect: float, middle: float, x: Any) -> list[str]:
    own, parts = scores["own"], []
    if not math.isnan(own["value"]):
        wide = x(own["value"]) - x(0)
        parts.append(
            f'<rect x="{x(0):.1f}" y="{middle - 8:g}" width="{wide:.1f}" height="16" fill="{COLOURS["own"]}"/>'
        )
        if not math.isnan(own["low"]):
            ends = f'x1="{x(own["low"]):.1f}" x2="{x(own["high"]):.1f}" y1="{middle:g}" y2="{middle:g}"'
            parts.append(f'<line {ends} stroke="#1b1b1b" stroke-width="1.5"/>')
    for kind in ("nearest_good", "supervised"):
        if kind in scores and not math.isnan(scores[kind]["value"]):
            place = x(scores[kind]["value"])
            ends = f'x1="{place:.1f}" x2="{place:.1f}" y1="{middle - 13:g}" y2="{middle + 13:g}"'
            parts.append(f'<line {ends} stroke="{COLOURS[kind]}" stroke-width="3"{_dash(kind)}/>')
    if not math.isnan(perfect):
        place = x(perfect)
        corners = f"{place:.1f},{middle - 6:g} {place + 5:.1f},{middle:g} {place:.1f},{middle + 6:g}"
        parts.append(f'<polygon points="{corners} {place - 5:.1f},{middle:g}" fill="#fff" stroke="#1b1b1b"/>')
    return parts


def _axis(x: Any, end: float, high: int) -> list[str]:
    step = 0.05 if end <= 0.4 else 0.1
    parts = []
    for number in range(int(end / step + 1e-9) + 1):
        value = number * step
        line = f'x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{high - BOTTOM}"'
        parts.append(f'<line {line} stroke="#ddd"/>')
        parts.append(f'<text x="{x(value):.1f}" y="{high - BOTTOM + 16}" text-anchor="middle">{value:.2f}</text>')
    return parts


def _legend() -> list[str]:
    parts, place = [], 8.0
    for kind, title in TITLES.items():
        if kind == "own":
            parts.append(f'<rect x="{place:g}" y="6" width="18" height="12" fill="{COLOURS[kind]}"/>')
        else:
            ends = f'x1="{place + 9:g}" x2="{place + 9:g}" y1="3" y2="21"'
            parts.append(f'<line {ends} stroke="{COLOURS[kind]}" stroke-width="3"{_dash(kind)}/>')
        parts.append(f'<text x="{place + 24:g}" y="16">{title}</text>')
        place += 44 + 6.4 * len(title)
    diamond = f"{place + 6:g},6 {place + 11:g},12 {place + 6:g},18 {place + 1:g},12"
    parts.append(f'<polygon points="{diamond}" fill="#fff" stroke="#1b1b1b"/>')
    parts.append(f'<text x="{place + 18:g}" y="16">perfect map of this grid</text>')
    return parts


def _dash(kind: str) -> str:
    return ' stroke-dasharray="5 3"' if kind == "nearest_good" else ""


def _cells(row: Bracket, metric: str) -> dict[str, str]:
    cells = {TITLES[kind]: _with_interval(row["scores"][metric].get(kind)) for kind in TITLES}
    cells["perfect map of this grid"] = cell_text(row["perfect"][metric])
    return cells | {title: _with_interval(row["places"][metric].get(name)) for name, title in FRACTIONS.items()}


def _with_interval(estimate: Mapping[str, float] | None) -> str:
    """Return a value with its interval, a dash where there is none."""
    if estimate is None or math.isnan(estimate["value"]):
        return cell_text(None)
    interval = f" ({cell_text(estimate['low'])} to {cell_text(estimate['high'])})"
    return cell_text(estimate["value"]) + ("" if math.isnan(estimate["low"]) else interval)
