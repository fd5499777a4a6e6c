"""What sections of the report are made of, as HTML: paragraphs, tables with their numbers, figures."""

import base64
from collections.abc import Mapping
from html import escape
from typing import Any


def paragraph(text: str, name: str = "") -> str:
    """Return a paragraph of plain text, with a class where a name is given."""
    attribute = f' class="{name}"' if name else ""
    return f"<p{attribute}>{escape(text)}</p>"


def table(caption: str, rows: Mapping[str, Mapping[str, Any]], first: str = "model") -> str:
    """Return a table; columns in the order of first appearance, None and NaN as a dash, the caption above.

    Args:
        rows: heading of the row -> column -> value.
        first: heading of the rows' headings.
    """
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


def svg_figure(caption: str, svg: str) -> str:
    """Return a drawing, given as the text of an SVG file, with its caption."""
    drawing = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    return _figure(drawing, caption)


def png_figure(caption: str, png: bytes) -> str:
    """Return a picture, given as the content of a PNG file, with its caption."""
    return _picture(caption, png, "png")


def jpeg_figure(caption: str, jpeg: bytes) -> str:
    """Return a picture, given as the content of a JPEG file, with its caption."""
    return _picture(caption, jpeg, "jpeg")


def _picture(caption: str, content: bytes, kind: str) -> str:
    data = base64.b64encode(content).decode("ascii")
    return _figure(f'<img loading="lazy" alt="{escape(caption)}" src="data:image/{kind};base64,{data}">', caption)


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"
