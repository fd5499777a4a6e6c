"""The report's page: its sections, those that cannot be made, and that it fetches nothing."""

import pytest

from stages.figures.report.elements import paragraph, png_figure
from stages.figures.report.page import make_sections, page_html
from stages.figures.report.viewer import section
from stages.runtime.errors import InputError
from tests.figures.html import Elements
from tests.figures.test_viewer import shown


def fail():
    raise InputError("metrics/a.json: missing <")


def test_a_section_that_cannot_be_made_says_why_and_an_empty_one_is_left_out():
    sections, missing = make_sections({"One": fail, "Two": str, "Three": lambda: paragraph("there")})
    assert sections == {"One": "<p>Not there: metrics/a.json: missing &lt;</p>", "Three": "<p>there</p>"}
    assert missing == ["One"]


def test_another_error_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        make_sections({"One": lambda: str(1 / 0)})


def test_the_page_fetches_nothing_and_every_section_has_its_anchor():
    look = section(*shown(), 127, 0.5)
    text = page_html("A & B", {"Verdict": "<p>x</p>", "Look": look, "How it was made": png_figure("a < b", b"PNG")})
    page = Elements(text)
    assert len(page.ids) == len(set(page.ids))
    assert {"verdict", "look", "how-it-was-made"} <= set(page.ids)
    assert all(address.startswith(("#", "data:")) for address in page.fetched), page.fetched
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "<title>A &amp; B</title>" in text
