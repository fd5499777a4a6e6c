"""How faithfulness is measured: the section `perturb` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, at_least, between


@dataclass(frozen=True)
class Perturb:
    """How faithfulness is measured without any mask."""

    tiles: Annotated[int, at_least(2)]
    steps: Annotated[int, at_least(1)]
    fills: Annotated[tuple[Literal["mean", "blur"], ...], DISTINCT]
    methods: Literal["own", "all"]  # the model's own method, best fusion, or every method
    batch: Annotated[int, at_least(1)]
    seed: Annotated[int, between(0, 2**63)]
