"""A printed table with this run's values in the same cells, and a sign of whether our interval contains theirs.

The sign is a mark and a word before it is a colour: within, above, below, or none where there is nothing to compare.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

MARKS = {  # verdict -> mark, and what it means
    "within": ("\u2713", "our 95% interval contains the printed value"),
    "above": ("\u25b2", "our interval lies above it"),
    "below": ("\u25bc", "our interval lies below it"),
    "": ("", ""),
}


@dataclass(frozen=True)
class Ours:
    """This run's value of one cell."""

    text: str = ""  # as it is shown; "" where this run has none
    low: float = math.nan  # 95% interval in the unit of the table; NaN where there is none
    high: float = math.nan
    why: str = ""  # one or two words: why there is no value, or no interval


@dataclass(frozen=True)
class Cell:
    """One cell: what is printed, digit for digit, and ours."""

    printed: str | None  # None: the printed cell is empty
    ours: Ours
    half_unit: float = 0.0  # half of the last printed place, by which what was rounded may differ

    @property
    def verdict(self) -> str:
        """within | above | below: our interval, seen from the printed value; "" where either is not there."""
        if self.printed is None or math.isnan(self.ours.low) or math.isnan(self.ours.high):
            return ""
        printed = float(self.printed)
        if self.ours.low > printed + self.half_unit:
            return "above"
        return "below" if self.ours.high < printed - self.half_unit else "within"


Table = Mapping[str, Mapping[str, Cell]]  # row -> heading -> cell


def half_unit(column: Iterable[str | None]) -> float:
    """Return half of the last place that a printed column has; zeros at the end of a number may have been left out.

    >>> half_unit(["0.43", "0.3262", None])
    5e-05
    """
    places = [len(text.partition(".")[2]) for text in column if text]
    return float(f"5e-{max(places, default=0) + 1}")


def table(caption: str, rows: Table, first: str = "Model") -> str:
    """Return the table as HTML: in each cell the printed value, below it ours with its mark and interval."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (first, *columns))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>' + "".join(_cell(row[column]) for column in columns) + "</tr>"
        for name, row in rows.items()
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="study">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def count_sentence(tables: Iterable[Table]) -> str:
    """Return how many printed values were compared, and what came out."""
    cells = [cell for rows in tables for row in rows.values() for cell in row.values() if cell.printed is not None]
    verdicts = [cell.verdict for cell in cells if cell.verdict]
    if not verdicts:
        return f"{len(cells)} values are printed; none of ours beside them has an interval, so none is compared."
    return (
        f"{len(cells)} values are printed, {len(verdicts)} of ours beside them have an interval: "
        f"{verdicts.count('within')} contain the printed value, {verdicts.count('above')} lie above it, "
        f"{verdicts.count('below')} below."
    )


def legend() -> str:
    """Return what the marks mean, as HTML."""
    items = "".join(
        f'<li class="{verdict}"><span class="mark">{mark}</span> {escape(words)}</li>'
        for verdict, (mark, words) in MARKS.items()
        if verdict
    )
    return f'<ul class="marks">{items}<li>no mark: nothing to compare, or no interval to compare by</li></ul>'


def _cell(cell: Cell) -> str:
    printed = f'<span class="printed">{escape(cell.printed)}</span>' if cell.printed is not None else ""
    ours, (mark, words) = cell.ours, MARKS[cell.verdict]
    sign = f'<span class="mark" role="img" aria-label="{escape(words)}">{mark}</span> ' if mark else ""
    value = f'<span class="ours">{sign}{escape(ours.text)}</span>' if ours.text else ""
    shown = "" if math.isnan(ours.low) else f"{_digits(ours.low, ours.text)} to {_digits(ours.high, ours.text)}"
    notes = "".join(f'<span class="note">{escape(note)}</span>' for note in (shown, ours.why) if note)
    attribute = f' class="{cell.verdict}"' if cell.verdict else ""
    return f"<td{attribute}>{printed}{value}{notes}</td>"


def _digits(end: float, like: str) -> str:
    """Return the end of an interval with as many decimals as its value, four at most."""
    return f"{end:.{min(4, len(like.partition('.')[2]))}f}"
