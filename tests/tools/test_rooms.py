"""The tree of rooms, of a small repository by hand; that CONTRIBUTING.md has ours: tests/test_readme.py."""

import pytest

from stages.tools.rooms import first_line, rooms_part

PIPELINE = """
stages:
  cut: {cmd: x, deps: [stages/cut.py, stages/base, data/raw]}
  fit: {foreach: [a], do: {cmd: x, deps: [stages/fit.py, stages/base, stages/loop, data/cut]}}
"""


def test_every_verb_and_room_is_told_and_what_depends_on_it(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    for name, docstring in {
        "cut.py": "Cut.\n\nMore.",
        "__init__.py": "All.",
        "ask.py": "Ask.",
        "fit.py": "Fit.",
        "loop/__init__.py": "Loops.",
        "base/__init__.py": "Files.",
        "tools/__init__.py": "Commands.",
    }.items():
        (tmp_path / "stages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stages" / name).write_text(f'"""{docstring}"""\n')
    assert rooms_part(tmp_path).splitlines() == [
        *("<!-- rooms -->", ""),
        "    stages/",
        "    |-- cut.py            Cut.",
        "    |-- fit.py            Fit.",
        "    |-- ask.py            Ask.",
        "    |-- base/             Files.",
        "    |-- loop/             Loops.",
        "    |-- tools/            Commands.",
        "",
        "| a change in | runs again |",
        "|---|---|",
        "| `base/` | every stage |",
        "| `loop/` | fit |",
        "| `tools/` | no stage |",
        *("", "<!-- /rooms -->"),
    ]


def test_a_file_without_a_docstring_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"a\.py: has no docstring"):
        first_line(tmp_path / "a.py")
