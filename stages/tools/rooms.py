"""The tree of stages/ and what depends on it, for CONTRIBUTING.md: `python -m stages.tools.rooms` writes it there.

Each verb and each room is told by the first line of its docstring; what depends on a room is read from dvc.yaml. Verbs
that are no stage there (commands beside the pipeline) come after its stages.
"""

import argparse
import ast
from pathlib import Path

import yaml

from stages.tools.pages import CONTRIBUTING, REPOSITORY, between_marks, marked, replace_part

PART = between_marks("rooms")
WIDTH = 18  # of the names in the tree


def rooms_part(repository: Path = REPOSITORY) -> str:
    """Return the part of CONTRIBUTING.md between its marks, and the marks."""
    pipeline = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    depends_on = {stage: entry.get("do", entry)["deps"] for stage, entry in pipeline.items()}
    beside = sorted({file.stem for file in (repository / "stages").glob("*.py")} - {"__init__", *depends_on})
    rooms = sorted(file.parent.name for file in (repository / "stages").glob("*/__init__.py"))
    lines = ["    stages/"]
    for verb in [*depends_on, *beside]:
        lines.append(f"    |-- {verb + '.py':<{WIDTH}}{first_line(repository / f'stages/{verb}.py')}")
    for room in rooms:
        lines.append(f"    |-- {room + '/':<{WIDTH}}{first_line(repository / f'stages/{room}/__init__.py')}")
    lines += ["", "| a change in | runs again |", "|---|---|"]
    for room in rooms:
        stages = [stage for stage, paths in depends_on.items() if f"stages/{room}" in paths]
        again = "every stage" if len(stages) == len(depends_on) else ", ".join(stages) or "no stage"
        lines.append(f"| `{room}/` | {again} |")
    return marked("rooms", "\n".join([*lines, ""]))


def first_line(file: Path) -> str:
    """Return the first line of a module's docstring.

    Raises:
        ValueError: it has none.
    """
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{file}: has no docstring")
    return docstring.splitlines()[0]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    replace_part(CONTRIBUTING, PART, rooms_part())
