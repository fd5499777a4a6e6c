"""The pages that people read, and what they name: links, parameters, files, commands."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from stages.tools.pages import PAGES, REPOSITORY

EVERY_PAGE = [*PAGES, REPOSITORY / "CHANGELOG.md"]

TOPS = ("stages", "tests", "docs", "data", "metrics", "plots", ".ci", ".github", ".dvc")  # of files that pages name
SUFFIXES = {".json", ".csv", ".md", ".py", ".yaml", ".yml", ".png", ".parquet"}  # of files, not of parameters
OTHER = re.compile(r"<[^<>]+>|\$\{[^}]+\}")  # <model> on pages, ${key} in dvc.yaml


def text_of(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page's text without blocks of code."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def headings(page: Path) -> list[tuple[int, str]]:
    """Return level and text of each heading."""
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.+)$", prose_of(page), re.MULTILINE)]


def anchors(page: Path) -> set[str]:
    """Return what links to places on a page may say after #, as GitHub and mkdocs make it of headings."""
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for _, title in headings(page))
    return {title.strip().replace(" ", "-") for title in plain}


def links(page: Path) -> list[str]:
    """Return the targets of links and pictures that are no web address."""
    found = re.findall(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"", text_of(page))
    return [target for pair in found if ":" not in (target := next(filter(None, pair)))]


def code(page: Path) -> Iterator[str]:
    """Yield what a page says in code: between backticks, and indented lines with their continuations."""
    yield from re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", prose_of(page))
    yield from re.findall(r"^ {4}\S.*$", text_of(page), re.MULTILINE)


def parameters(page: Path, sections: set[str]) -> set[str]:
    """Return the dotted names of parameters: those after -S, and any that begin with a section of params.yaml."""
    found = set()
    for said in code(page):
        found |= set(re.findall(r"-S '?(\w[\w.]*)=", said))
        dotted = re.findall(r"(?<![\w/.+*-])([a-z]+(?:\.\w+)+)(?![\w/(])", said)
        found |= {name for name in dotted if name.split(".")[0] in sections}
    return {name for name in found if Path(name).suffix not in SUFFIXES}


def is_parameter(name: str, params: dict[str, Any]) -> bool:
    """Return whether params.yaml has this parameter; a model can have any value of `model`, and some of its own."""
    section, *keys = name.split(".")
    if section == "models":
        return not keys or keys[0] in params["models"]
    value: Any = params.get(section, {}) if keys else params
    for key in keys or [section]:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def files(page: Path) -> set[str]:
    """Return the paths of files and folders of the repository that a page names in code."""
    found = set()
    for said in code(page):
        for word in re.findall(r"(?<![\w/.~-])[\w./<>{},-]+", said):
            top, _, rest = word.partition("/")
            if top in TOPS and rest and "..." not in word:
                found.add(word.rstrip(".,"))
    return found


def made_by_stages() -> list[str]:
    """Return the paths that stages write, as patterns."""
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    entries = [
        entry
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for entry in stage.get("do", stage).get(kind, [])
    ]
    return [OTHER.sub("*", next(iter(entry))) for entry in entries]


def is_file(name: str, made: list[str]) -> bool:
    """Return whether the repository has such a file or folder, or a stage makes it, a folder above it or one in it."""
    pattern = OTHER.sub("*", name).rstrip("/")
    if next(REPOSITORY.glob(pattern), None) is not None:
        return True
    return any(fnmatch(pattern, f"{own}*") or own.startswith(f"{pattern}/") for own in made)


def modules(page: Path) -> set[str]:
    """Return the modules that commands run: python -m NAME, of this repository; NAME{a,b} is several."""
    found = set()
    for said in code(page):
        for name in re.findall(r"python -m ((?:stages|tests)[\w.]*(?:\{[\w,]+\})?)", said):
            before, _, several = name.partition("{")
            found |= {before + part for part in several.rstrip("}").split(",")} if several else {name.rstrip(".")}
    return found - {"stages"}  # of `python -m stages.<verb>`
