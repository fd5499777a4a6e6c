"""Plots that DVC describes, drawn as PNG without a browser or a network."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import vl_convert

from stages.records.files import new_file

SCALE = 1.5  # pixels per unit of the plot


def render_plots(described: Mapping[str, Any], folder: Path) -> list[tuple[str, Path]]:
    """Draw every Vega-Lite plot of `dvc plots diff --json`; return title and file of each, sorted by file.

    Pictures (PNG files in git) are not drawn again.
    """
    drawn = []
    for name, title, spec in _vega_plots(described):
        path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', Path(name).with_suffix('').as_posix())}.png"
        with new_file(path) as temporary:
            temporary.write_bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))
        drawn.append((title, path))
    return sorted(drawn, key=lambda item: item[1])


def svg_plots(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return title and SVG text of every Vega-Lite plot of `dvc plots show --json`, sorted by name."""
    return [(title, vl_convert.vegalite_to_svg(spec)) for _, title, spec in _vega_plots(described)]


def _vega_plots(described: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, title and specification of each plot that is no picture, sorted by name."""
    for name, renderings in sorted(described.get("data", {}).items()):
        for rendering in renderings:
            if rendering["type"] == "vega":
                content = rendering["content"]
                spec = json.loads(content) if isinstance(content, str) else content
                yield name, _title(spec, name), spec


def _title(spec: Mapping[str, Any], name: str) -> str:
    """Return the title of a Vega-Lite specification, which is text or {"text": ...}; the name where it has none."""
    title = spec.get("title")
    return str(title.get("text", name) if isinstance(title, dict) else title or name)
