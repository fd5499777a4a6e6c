"""Tables of the report, as HTML, from metrics as they are on disk."""

from collections.abc import Mapping
from html import escape
from typing import Any

Rows = Mapping[str, Mapping[str, Any]]  # row -> column -> value


def html_table(caption: str, rows: Rows, first: str = "model") -> str:
    """Return a table; columns in the order of first appearance, None and NaN as a dash, the caption above."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in (first, *columns))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell_text(row.get(column)))}</td>" for column in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cell_text(value: Any) -> str:
    """Return at most four significant digits; a dash where there is nothing."""
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if 0.01 <= abs(value) < 10 else f"{value:.4g}"
    return str(value)


def ms_text(ms: float) -> str:
    """Return milliseconds with one decimal, as printed tables have them; below 1 with two significant digits."""
    return f"{ms:.1f}" if ms >= 1 else f"{ms:.2g}"


def percent_text(share: float | None) -> str | None:
    """Return a share of 0..1 in percent with two decimals; None where there is none."""
    return None if share is None or share != share else f"{share * 100:.2f}"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one: {"a": {"b": 1}} -> {"a.b": 1}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
