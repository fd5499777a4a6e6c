"""How many tiles pictures have: the section `draw` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated

from stages.runtime.convert import at_least


@dataclass(frozen=True)
class Draw:
    """Rows of the gallery, and of the picture that compares the methods."""

    gallery_tiles: Annotated[int, at_least(1)]
    methods_tiles: Annotated[int, at_least(1)]
