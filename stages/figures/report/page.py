"""The report's frame: one HTML file of titled sections, which fetches nothing."""

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

from stages.figures.report.elements import paragraph
from stages.runtime.errors import InputError

HERE = Path(__file__).parent


def make_sections(makers: Mapping[str, Callable[[], str]]) -> tuple[dict[str, str], list[str]]:
    """Return title -> HTML of every section, and the titles of those whose records are missing or broken.

    Such a section says what is not there; the rest is still made.

    Args:
        makers: title -> function that returns the section's HTML, "" for a section that is left out, or raises
            `InputError`.
    """
    sections, missing = {}, []
    for title, make in makers.items():
        try:
            sections[title] = make()
        except InputError as error:
            missing.append(title)
            sections[title] = paragraph(f"Not there: {error}")
    return {title: content for title, content in sections.items() if content}, missing


def page_html(title: str, sections: Mapping[str, str]) -> str:
    """Return the page; the title of a section is also its anchor, in small letters with hyphens."""
    anchors = {name: name.lower().replace(" ", "-") for name in sections}
    links = "".join(f'<li><a href="#{anchor}">{escape(name)}</a></li>' for name, anchor in anchors.items())
    body = "\n".join(
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n'
        f'<h2 id="{anchor}-title">{escape(name)}</h2>\n{sections[name]}\n</section>'
        for name, anchor in anchors.items()
    )
    template, style, script = ((HERE / name).read_text("utf-8") for name in ("page.html", "page.css", "viewer.js"))
    return template.format(title=escape(title), style=style, links=links, sections=body, script=script)
