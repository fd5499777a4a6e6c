"""params.yaml, section by section: a stage asks for the sections that it needs and gets them as frozen dataclasses.

A section's dataclass lives in the room that it configures and is named as the section: `score` is read into
`stages.scoring.settings.Score`. So a new parameter touches that room alone, and no other stage runs again.
What several rooms need of a section is read here: the data set's name, the task, names, families and seeds of models.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml

from stages.runtime.convert import at_least, convert, expect_mapping
from stages.runtime.errors import InputError

Family = Literal["cnn", "vit"]
Task = Literal["binary", "multiclass"]
Section = TypeVar("Section")


@dataclass(frozen=True)
class Runtime:
    """Where stages compute; no stage depends on it except `time`."""

    device: str
    devices: Annotated[int, at_least(1)]
    nodes: Annotated[int, at_least(1)]
    workers: Annotated[int, at_least(0)]
    cluster: str | None = None


@dataclass(frozen=True)
class Params:
    """What params.yaml says, checked where it is asked for."""

    content: Mapping[str, Any]

    def read(self, kind: type[Section]) -> Section:
        """Return the section that is named as the dataclass `kind`, in small letters.

        Raises:
            InputError: it is missing, one of its keys is unknown or missing, or a value has the wrong type or is out of
                its range.
        """
        name = kind.__name__.lower()
        section: Section = convert(self.get(name), kind, name)
        return section

    def get(self, name: str) -> Any:
        """Return a section, or a value at the top, as YAML gave it.

        Raises:
            InputError: it is missing.
        """
        return self.value(name, Any)

    def value(self, name: str, kind: Any) -> Any:
        """Return one value of a section that configures another room: its type is checked here, its range there.

        Args:
            name: dotted, as "rank.cluster".
            kind: its type, as `str` or `tuple[str, ...]`.

        Raises:
            InputError: it is missing or has another type.
        """
        found: Any = self.content
        for depth, key in enumerate(parts := name.split("."), 1):
            if key not in expect_mapping(found, ".".join(parts[: depth - 1])):
                raise InputError(f"params.yaml: {'.'.join(parts[:depth])} is missing")
            found = found[key]
        return convert(found, kind, name)

    @property
    def task(self) -> Task:
        """binary: good or defective | multiclass: which kind of defect."""
        task: Task = self.value("task", Task)
        return task

    @property
    def dataset_name(self) -> str:
        """The data set's name, of which folders and files are called."""
        name: str = self.value("dataset.name", str)
        return name

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """Name -> entry of every model, as YAML gave it; the names can be those of files and of DVC's stages."""
        models = expect_mapping(self.get("models"), "models")
        if not models:
            raise InputError("params.yaml: models is empty; expected at least one model")
        for name, entry in models.items():
            # a dot would end the name in `-S models.<name>.lr=...`
            if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][\w-]*", name, re.ASCII)):
                raise InputError(f"params.yaml: models.{name}: a model's name has letters, digits, '_' and '-' only")
            expect_mapping(entry, f"models.{name}")
        return models

    @property
    def families(self) -> dict[str, Family]:
        """Name -> family of every model."""
        for name, entry in (models := self.models).items():
            if "family" not in entry:
                raise InputError(
                    f"params.yaml: models.{name}.family is missing; use one of {', '.join(get_args(Family))}"
                )
        return {name: convert(entry["family"], Family, f"models.{name}.family") for name, entry in models.items()}

    @property
    def seeds(self) -> dict[str, list[str]]:
        """Model -> itself and its repeats under other seeds (entries that say `of`), for every model that repeats none.

        Raises:
            InputError: `of` names no such model, or one of another family.
        """
        families = self.families
        firsts = {name: [name] for name, entry in self.models.items() if entry.get("of") is None}
        for name, entry in self.models.items():
            of = entry.get("of")
            if of is None:
                continue
            if of not in firsts:
                raise InputError(
                    f"params.yaml: models.{name}.of is {of!r}; expected a model that repeats no other: "
                    + ", ".join(firsts)
                )
            if families[of] != families[name]:
                raise InputError(f"params.yaml: models.{name}.of is {of!r}, which is of another family")
            firsts[of].append(name)
        return firsts


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read a params file.

    Raises:
        InputError: it is missing, or no mapping in YAML.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run from the repository root") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    return Params(expect_mapping(content, ""))
