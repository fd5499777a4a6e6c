"""Pieces of the report: numbers, tables, figures."""

import math

import pytest

from stages.figures.report.elements import cell_text, png_figure, svg_figure, table
from tests.figures.html import Elements


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (3e-6, "3e-06"),
        (0.0, "0"),
        (True, "yes"),
        (0.5, "0.500"),
        (5e-4, "0.0005"),
        (1234.5, "1234"),
        (7, "7"),
    ],
)
def test_a_cell_says_what_is_known(value, text):
    assert cell_text(value) == text


def test_a_table_escapes_what_it_shows_and_has_every_column_once():
    text = table("<b>", {"a&b": {"x": 1}, "c": {"y": None, "x": 0.25}})
    assert Elements(text).names.count("th") == 3 + 2
    for part in ("&lt;b&gt;", "a&amp;b", "<td>0.250</td><td>-</td>", "<td>1</td><td>-</td>"):
        assert part in text, part


def test_a_drawing_keeps_its_svg_and_says_what_it_is():
    text = svg_figure('a "plot"', '<?xml version="1.0"?><svg width="1"></svg>')
    assert text.startswith('<figure><svg role="img" aria-label="a &quot;plot&quot;" width="1"></svg><figcaption>')


def test_a_picture_carries_its_bytes():
    assert 'alt="a &lt; b" src="data:image/png;base64,iVBORw=="' in png_figure("a < b", b"\x89PNG\x00"[:4])
