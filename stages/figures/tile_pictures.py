"""Tiles as pictures show them: their pixels and their truths."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.records.tiles import Tiles


@dataclass(frozen=True)
class TilePictures:
    """The pixels of n tiles, and what is true of them."""

    images: NDArray[np.uint8]  # (n, px, px, 3) RGB
    truths: Mapping[str, NDArray[np.bool_]]  # "boxes" and / or "exact" -> (n, px, px); empty where there is none

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.images)


def read_pictures(tiles: Tiles, positions: NDArray[np.intp]) -> TilePictures:
    """Read the tiles at `positions` (n,), row numbers of the index."""
    return TilePictures(tiles.images(positions), {kind: tiles.truth(kind, positions) for kind in tiles.truths})
