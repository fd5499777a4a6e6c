"""Cells of a printed table: inside or outside our interval, said by a mark and a word as well as by a colour."""

import math
import re

import pytest

from stages.figures.report.study_cells import Cell, Ours, count_sentence, half_unit, legend, table


def cell(printed, low=math.nan, high=math.nan, half=0.0, text="0.5", why=""):
    return Cell(printed, Ours(text, low, high, why), half)


@pytest.mark.parametrize(
    ("printed", "low", "high", "verdict"),
    [
        ("0.5", 0.4, 0.6, "within"),
        ("0.4", 0.4, 0.6, "within"),
        ("0.6", 0.4, 0.6, "within"),
        ("0.39", 0.4, 0.6, "above"),
        ("0.61", 0.4, 0.6, "below"),
        (None, 0.4, 0.6, ""),
        ("0.5", math.nan, math.nan, ""),
        ("0.5", 0.4, math.nan, ""),
    ],
)
def test_our_interval_against_the_printed_value(printed, low, high, verdict):
    assert cell(printed, low, high).verdict == verdict


def test_what_was_rounded_in_print_counts_as_within():
    """1.67 stands for 1.6667, and 3 of a column with two places for 3.00."""
    half = half_unit(["1.67", "3", None])
    assert half == 0.005
    assert cell("1.67", 5 / 3, 5 / 3, half).verdict == "within"
    assert cell("1.67", 5 / 3, 5 / 3).verdict == "below"
    assert cell("3", 3.004, 3.2, half).verdict == "within"
    assert cell("3", 3.006, 3.2, half).verdict == "above"
    assert half_unit(["2", "10"]) == 0.5


def test_colour_is_never_the_only_sign():
    cells = {"a": cell("0.5", 0.4, 0.6), "b": cell("0.3", 0.4, 0.6), "c": cell("0.7", 0.4, 0.6)}
    html = table("T", {"net": cells})
    for name, mark in (("within", "\u2713"), ("above", "\u25b2"), ("below", "\u25bc")):
        assert re.search(rf'<td class="{name}">.*?role="img" aria-label="our[^"]*">{mark}</span>', html)
        assert f'<li class="{name}"><span class="mark">{mark}</span>' in legend()


def test_a_cell_has_print_ours_and_interval_or_a_word_why_not():
    html = table(
        "T <", {"net": {"F1": cell("0.43", 0.4, 0.62, text="0.5123"), "lr": cell("0.1", text="", why="not run")}}
    )
    assert '<span class="printed">0.43</span><span class="ours">' in html
    assert '0.5123</span><span class="note">0.4000 to 0.6200</span></td>' in html
    assert '<td><span class="printed">0.1</span><span class="note">not run</span></td>' in html
    assert "<caption>T &lt;</caption>" in html
    assert table("T", {"net": {"F1": Cell(None, Ours())}}).count("<td></td>") == 1


def test_the_count_is_of_printed_values_and_of_those_that_were_compared():
    row = {"a": cell("0.5", 0.4, 0.6), "b": cell("0.3", 0.4, 0.6), "c": cell("0.7"), "d": cell(None, 0.4, 0.6)}
    assert count_sentence([{"net": row}]) == (
        "3 values are printed, 2 of ours beside them have an interval: 1 contain the printed value, 1 lie above it, "
        "0 below."
    )
    assert "none is compared" in count_sentence([{"net": {"c": cell("0.7")}}])
