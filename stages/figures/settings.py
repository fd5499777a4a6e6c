"""What pictures and the report show: the sections `draw` and `report` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import at_least


@dataclass(frozen=True)
class Draw:
    """Rows of the gallery, and of the picture that compares the methods."""

    gallery_tiles: Annotated[int, at_least(1)]
    methods_tiles: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Report:
    """Which published study this run repeats: the report sets its printed values beside ours. None: no study."""

    study: Literal["thesis_pcb", "thesis_gid", "paper_casting", "paper_neu_det"] | None
