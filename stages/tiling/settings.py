"""How images become tiles, and tiles train, validation and test: the sections `tile` and `split` of params.yaml."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import FRACTION, above, at_least, between
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Tile:
    """How images become tiles."""

    px: Annotated[int, at_least(8)]
    overlap_px: Annotated[int, at_least(0)]
    mode: Literal["window", "resize"]
    border: Literal["drop", "shift"]
    defect_threshold: Annotated[float, FRACTION]
    label_by: Literal["auto", "boxes", "exact"] = "auto"  # auto: the exact mask where there is one, else boxes

    def __post_init__(self) -> None:
        if self.overlap_px >= self.px:
            raise InputError(f"params.yaml: tile.overlap_px is {self.overlap_px}; expected less than tile.px")


@dataclass(frozen=True)
class Split:
    """How tiles become train, validation and test."""

    by: Literal["group", "image", "tile"]
    seed: Annotated[int, between(0, 2**63)]
    train: Annotated[float, above(0)]
    val: Annotated[float, above(0)]
    test: Annotated[float, above(0)]
    good_per_defective: Annotated[float, above(0)] | None
    official: bool = True
    official_val: Annotated[float, above(0), between(0, 1)] = 0.2

    def __post_init__(self) -> None:
        total = self.train + self.val + self.test
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise InputError(f"params.yaml: split.train + split.val + split.test is {total:g}; expected 1")
