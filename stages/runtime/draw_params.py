"""The section of params.yaml that says how many tiles pictures have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from stages.runtime.convert import at_least
from stages.runtime.errors import InputError

MOVED = {"explain": "methods_tiles", "score": "gallery_tiles"}  # section that once had gallery_tiles -> its name here


@dataclass(frozen=True)
class Draw:
    """Rows of the gallery, and of the picture that compares the methods."""

    gallery_tiles: Annotated[int, at_least(1)]
    methods_tiles: Annotated[int, at_least(1)]


def refuse_moved(content: Mapping[str, Any]) -> None:
    """Raise an `InputError` that names where a parameter of pictures is now."""
    for section, name in MOVED.items():
        values = content.get(section)
        if isinstance(values, dict) and "gallery_tiles" in values:
            raise InputError(f"params.yaml: {section}.gallery_tiles is now draw.{name}; move it there")
