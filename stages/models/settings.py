"""What `models.<name>` in params.yaml says of the model itself; how it is trained: `stages.training.settings`."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from stages.runtime.convert import at_least
from stages.runtime.params import Family

Weights = Literal["auto", "hub", "package", "file", "none"]


@dataclass(frozen=True)
class Model:
    """One entry of `models`, without its training values; None leaves what `registry.ARCHITECTURES` lists."""

    family: Family
    arch: str | None = None  # a timm model
    stride: Annotated[int, at_least(1)] | None = None  # pixels per cell of a CNN's map, or of a hybrid ViT's stem
    stem: str | None = None  # hybrid ViT: the timm CNN whose features its blocks read
    depth: Annotated[int, at_least(1)] | None = None  # ViT: how many of its blocks are used
    weights_path: str | None = None  # for `weights: file`
    of: str | None = None  # the model that this one repeats under another seed


MODEL_KEYS = tuple(field.name for field in fields(Model))
