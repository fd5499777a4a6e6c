"""How boards are generated: the section `boards` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated

from stages.runtime.convert import at_least, between
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Boards:
    """The generated data set: `designs` layouts, each on `boards_per_kind` boards per defect kind."""

    seed: Annotated[int, between(0, 2**63)]
    clutter: bool
    designs: Annotated[int, at_least(1)]
    boards_per_kind: Annotated[int, at_least(1)]
    width_px: Annotated[int, at_least(448)]
    height_px: Annotated[int, at_least(448)]
    min_defects: Annotated[int, at_least(1)]
    max_defects: Annotated[int, at_least(1)]

    def __post_init__(self) -> None:
        if self.max_defects < self.min_defects:
            raise InputError(f"params.yaml: boards.max_defects is {self.max_defects}; expected min_defects or more")
