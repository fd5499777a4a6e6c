"""A study: a file here of dotted names of params.yaml and their values, checked as params.yaml itself is.

    tile.px: 224                      another value of a parameter that is there
    models: {NAME: {...}, ...}        these models and no other
    models.NAME: {...}                one more model, or other values of one that is there

Nothing here is a second way to configure: a study becomes the `-S` of `dvc exp run` (`stages.studies.command`), and
what its run used stands in params.yaml.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.boards.settings import Boards
from stages.datasets.settings import Dataset
from stages.explainers.settings import ExplainCommon, Time
from stages.faithfulness.settings import Perturb
from stages.figures.settings import Draw, Report
from stages.models.settings import Head
from stages.ranking.settings import Rank
from stages.runtime.convert import convert, hints_of
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Runtime
from stages.scoring.settings import Score
from stages.tiling.settings import Split, Tile
from stages.training.settings import read_model, read_training, tuned_keys
from stages.training.tuning import Tune

FOLDER = Path(__file__).parent
SECTIONS = (Dataset, Boards, Tile, Split, Head, Tune, Draw, Perturb, Time, Report, Runtime, Score, Rank)
Overrides = dict[str, Any]


def known_studies(folder: Path = FOLDER) -> list[str]:
    """Return the names of all studies, sorted."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def read_study(name: str, params: Params, folder: Path = FOLDER) -> Overrides:
    """Return the overrides of a study, dotted name -> value.

    Args:
        name: that of its file.
        params: what they will be laid over.
        folder: where studies are.

    Raises:
        InputError: there is no such study, its file is not readable, names a parameter that params.yaml has not, or has
            a value of a wrong type or out of its range.
    """
    file = folder / f"{name}.yaml"
    if name not in known_studies(folder):
        raise InputError(f"study {name!r} is not known; use one of {', '.join(known_studies(folder))}")
    try:
        overrides = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file}: not readable as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(overrides, dict) or not all(isinstance(key, str) for key in overrides):
        raise InputError(f"{file}: expected lines of a dotted name and its value, as `tile.px: 224`")
    try:
        refuse_wrong(params, Params(laid_over(params.content, overrides)), overrides)
    except InputError as error:
        raise InputError(f"{file}: {str(error).removeprefix('params.yaml: ')}") from None
    return overrides


def laid_over(content: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Return what params.yaml says with overrides laid over it.

    Raises:
        InputError: one names a parameter that is not there, or a whole section.
    """
    laid = copy.deepcopy(dict(content))
    for name, value in overrides.items():
        *sections, key = name.split(".")
        place: Any = laid
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or not (key in place or sections == ["models"]):
            there = ", ".join(place) if isinstance(place, dict) else "no such section"
            raise InputError(f"{name} is not known; params.yaml has there: {there}")
        if name == "models" or sections == ["models"]:
            if not isinstance(value, dict):
                raise InputError(f"{name} is {value!r}; expected a mapping of names to values")
            value = value if name == "models" else {**place.get(key, {}), **value}
        elif isinstance(place[key], dict) or isinstance(value, dict):
            raise InputError(f"{name}: give each value of a section by its own dotted name")
        place[key] = copy.deepcopy(value)
    return laid


def refuse_wrong(before: Params, after: Params, overrides: Overrides) -> None:
    """Raise an `InputError` that names the first value of `after`, which is `before` with overrides, that is wrong.

    Whether methods, architectures and data sets of these names exist, stage check says before anything else runs: that
    takes seconds of imports.
    """
    after.task  # noqa: B018
    for kind in SECTIONS:
        after.read(kind)
    explain = after.get("explain")
    for key, hint in hints_of(ExplainCommon).items():
        convert(explain.get(key), hint, f"explain.{key}")
    for name in overrides:
        method = name.split(".")[1] if name.startswith("explain.") else ""
        if method and method not in hints_of(ExplainCommon):  # what a method is set by stands in its own, heavy file
            _refuse_other_kind(name, before.value(name, Any), after.value(name, Any))
    for model in after.models:
        read_training(after, model, dict.fromkeys(tuned_keys(after, model), 1))
        read_model(after, model)


def _refuse_other_kind(name: str, before: Any, after: Any) -> None:
    words = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    if before is not None and after is not None and words.get(type(before)) != words.get(type(after)):
        raise InputError(f"{name} is {after!r}; expected {words[type(before)]}")
