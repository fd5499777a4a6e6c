"""The report's HTML page: verdict, tables, viewer and figures in one file."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRUTHS = {"boxes": "boxes (blue outline)", "exact": "exact masks (orange outline)"}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
<a class="skip" href="#verdict">To the verdict</a>
<header><h1>{title}</h1></header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
{sections}
</main>
<script type="application/json" id="viewer-data">{data}</script>
<script>
{script}
</script>
</body>
</html>
"""

VIEWER = """<p>Pick a model, a method and a test tile; slide fusion and discard ratio. With the picture in focus the
arrow keys go to the tile before or after.</p>
<div id="viewer">
<div><canvas id="viewer-canvas" tabindex="0" role="img" aria-describedby="viewer-says"
 aria-label="Test tile with its heatmap"></canvas>
<p id="viewer-says" aria-live="polite"></p>
<button type="button" id="viewer-previous">Previous tile</button>
<button type="button" id="viewer-next">Next tile</button></div>
<div>
<label>Model <select id="viewer-model"></select></label>
<label>Method <select id="viewer-method"></select></label>
<label>Tile <select id="viewer-tile"></select></label>
<label>Fusion <select id="viewer-fusion"></select></label>
<label>Discard ratio <output id="viewer-discard-value"></output>
<input type="range" id="viewer-discard" min="0" max="0" step="1" value="0"></label>
<label>Strength of the heatmap <output id="viewer-strength-value"></output>
<input type="range" id="viewer-strength" min="0" max="100" value="55"></label>
<label>Threshold <output id="viewer-threshold-value"></output>
<input type="range" id="viewer-threshold" min="{lowest}" max="255" step="1" value="{threshold}"></label>
<fieldset><legend>Outlines</legend>
<label><input type="checkbox" id="viewer-contour"> above the threshold (white)</label>
{truths}
</fieldset>
</div>
</div>"""


@dataclass(frozen=True)
class Section:
    """A part of the page: its title, which is also its anchor, and its content in HTML."""

    title: str
    content: str


@dataclass(frozen=True)
class Picture:
    """A figure: what it shows in words, and either SVG text or the bytes of a PNG file."""

    caption: str
    svg: str | None = None
    png: bytes | None = None


def write_page(title: str, sections: Sequence[Section], viewer: Mapping[str, Any]) -> str:
    """Return the page; `viewer` is what `viewer_data` returns."""
    anchors = [section.title.lower().replace(" ", "-") for section in sections]
    links = "".join(
        f'<li><a href="#{anchor}">{escape(section.title)}</a></li>'
        for anchor, section in zip(anchors, sections, strict=True)
    )
    body = "\n".join(
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n'
        f'<h2 id="{anchor}-title">{escape(section.title)}</h2>\n{section.content}\n</section>'
        for anchor, section in zip(anchors, sections, strict=True)
    )
    # inside a script element the text </script would end it; JSON may write < as an escape
    data = json.dumps(viewer, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return PAGE.format(
        title=escape(title),
        style=(HERE / "report.css").read_text(encoding="utf-8"),
        links=links,
        sections=body,
        data=data,
        script=(HERE / "viewer.js").read_text(encoding="utf-8"),
    )


def viewer_html(truths: Sequence[str], threshold: float) -> str:
    """Return the viewer's controls: a check box for each kind of truth, and a slider that begins at a threshold.

    The slider goes in steps of 1 through the threshold (0..255), also where that is no whole number.
    """
    boxes = "".join(
        f'<label><input type="checkbox" id="viewer-truth-{kind}" checked> {TRUTHS[kind]}</label>' for kind in truths
    )
    return VIEWER.format(truths=boxes, threshold=f"{threshold:.9g}", lowest=f"{threshold % 1:.9g}")


def figure(picture: Picture) -> str:
    """Return a figure with its caption."""
    caption = escape(picture.caption)
    if picture.svg is not None:
        drawn = picture.svg[picture.svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{caption}"', 1)
    else:
        text = base64.b64encode(picture.png or b"").decode("ascii")
        drawn = f'<img loading="lazy" alt="{caption}" src="data:image/png;base64,{text}">'
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def paragraph(text: str, name: str = "") -> str:
    """Return a paragraph of plain text, with a class where a name is given."""
    attribute = f' class="{name}"' if name else ""
    return f"<p{attribute}>{escape(text)}</p>"
