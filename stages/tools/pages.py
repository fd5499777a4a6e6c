"""The pages that people read, and the parts of them that commands write."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
DOCS = REPOSITORY / "docs"
PAGES = [README, CONTRIBUTING, *sorted(DOCS.glob("*.md"))]  # what is true now; the changelog is not


def replace_part(page: Path, part: re.Pattern[str], text: str) -> None:
    """Write a page anew with the first match of `part` replaced."""
    content = page.read_text(encoding="utf-8")
    page.write_text(part.sub(lambda _: text, content, count=1), encoding="utf-8")


def between_marks(name: str) -> re.Pattern[str]:
    """Return what finds the marks <!-- NAME --> and <!-- /NAME --> with what is between them.

    Of a name "results: default" the closing mark has "/results".
    """
    return re.compile(rf"<!-- {re.escape(name)} -->\n.*?<!-- /{name.partition(':')[0]} -->\n", re.DOTALL)


def marked(name: str, text: str) -> str:
    """Return text between these marks, as it stands in a page."""
    return f"<!-- {name} -->\n\n{text}\n<!-- /{name.partition(':')[0]} -->\n"
