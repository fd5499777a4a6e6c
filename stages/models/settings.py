"""What params.yaml says of a model itself; how it is trained says `stages.training.settings`."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from stages.runtime.convert import at_least
from stages.runtime.params import Family

Weights = Literal["auto", "hub", "package", "file", "none"]


@dataclass(frozen=True)
class Model:
    """One entry of `models`, without its training values."""

    family: Family
    arch: str | None = None
    stride: Annotated[int, at_least(1)] | None = None
    stem: str | None = None
    depth: Annotated[int, at_least(1)] | None = None
    weights_path: str | None = None
    of: str | None = None  # the model that this one repeats under another seed


MODEL_KEYS = tuple(field.name for field in fields(Model))
