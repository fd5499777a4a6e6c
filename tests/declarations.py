"""What the stages of a pipeline that has run declare in dvc.yaml, beside what they have opened (`tests.opened`)."""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from tests.opened import opened_by_stages
from tests.pipeline import Copy

STATE = ("data/checkpoints/", "data/tune/")  # work that a killed run goes on with
ON_ITS_WAY = re.compile(r"(^|/)\.[^/]+(\.(new|old)\b[^/]*|\.lock|-[0-9a-f]{16})/?$")  # results without their final name
CODE = r"stages/.*"
UNDECLARED = {  # verb -> what it may open besides, as a regular expression
    "explain": CODE,  # its content names the work that a killed run goes on with; it changes no result
    "train": CODE,  # the same
    "supervise": CODE,
    # `dvc plots show` looks where it is; dvc.yaml, which says what is drawn how, can be no dependency
    "report": r"dvc\.(yaml|lock)|\.dvc/config|\.dvcignore|(\.dvc/)?\.gitignore|.*/",
}
UNOPENED = {  # verb -> what it reads only where something is searched for or `tuned`, or waits for
    "download": r"data/check\.json",  # params.yaml is checked before anything is made
    "tune": r"data/.*|stages/.*",
    "adopt": r"metrics/tune/.*",
    "train": r"data/tuned/.*",
    "supervise": r"data/tuned/.*",
}


def _declared(copy: Copy) -> dict[str, dict[str, list[str]]]:
    """Return stage -> `deps` and `outs` -> paths, as DVC has noted them down."""
    lock: dict[str, Any] = yaml.safe_load((copy.folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {
        stage: {kind: [entry["path"] for entry in said.get(kind, [])] for kind in ("deps", "outs")}
        for stage, said in lock.items()
    }


def _inside(name: str, paths: Iterable[str]) -> bool:
    return any(f"{name.rstrip('/')}/".startswith(f"{path}/") for path in paths)


def _unexplained(names: Iterable[str], of: dict[str, str], stage: str) -> list[str]:
    """Return the names that nothing in the table explains."""
    allowed = of.get(stage.split("@")[0], "$^")
    return sorted(name for name in names if not re.fullmatch(allowed, name))


def undeclared(copy: Copy) -> dict[str, list[str]]:
    """Return stage -> what it has opened or listed although it is no dependency; stages without any are left out."""
    found = {}
    for stage, opened in opened_by_stages(copy.settings).items():
        paths = [path for own in _declared(copy)[stage].values() for path in own]
        names = {
            name
            for name in opened - {"params.yaml", "stages/__init__.py"}  # a docstring
            if not (_inside(name, paths) or name.startswith(STATE) or ON_ITS_WAY.search(name))
            and not (name.endswith("/") and any(path.startswith(name) for path in paths))  # on the way to one
        }
        found[stage] = _unexplained(names, UNDECLARED, stage)
    return {stage: names for stage, names in found.items() if names}


def unopened(copy: Copy) -> dict[str, list[str]]:
    """Return stage -> dependencies of which it has opened nothing; stages without any are left out."""
    found = {}
    for stage, opened in opened_by_stages(copy.settings).items():
        names = [path for path in _declared(copy)[stage]["deps"] if not any(_inside(name, [path]) for name in opened)]
        found[stage] = _unexplained(names, UNOPENED, stage)
    return {stage: names for stage, names in found.items() if names}
