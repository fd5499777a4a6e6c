"""Which models are exported, and how their numbers are stored: the section `export` of params.yaml."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from stages.runtime.convert import at_least
from stages.runtime.errors import InputError

Precision = Literal["float32", "float16", "int8"]
ALL, BEST = "all", "best"


@dataclass(frozen=True)
class Export:
    """What is exported.

    models: `best`, the classifier with the highest average precision on validation tiles; `all`; or a list of names.
    precision: of weights and arithmetic inside the file; what goes in and comes out is the same for all.
    tiles: validation tiles on which the file is compared with PyTorch, spread evenly; all where there are fewer.
    """

    models: Any = BEST
    precision: Precision = "float32"
    tiles: Annotated[int, at_least(1)] = 200

    def __post_init__(self) -> None:
        names = self.models
        if isinstance(names, str) and names in (ALL, BEST):
            return
        if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
            raise InputError(f"params.yaml: export.models is {names!r}; use best, all, or a list of names of `models`")


def refuse_unknown_models(export: Export, known: Collection[str]) -> None:
    """Raise an `InputError` where `export.models` names a model that is not among the `known`."""
    for name in () if isinstance(export.models, str) else export.models:
        if name not in known:
            raise InputError(f"params.yaml: export.models has {name!r}, which `models` has not: {', '.join(known)}")
