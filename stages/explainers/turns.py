"""The flips and rotations of a square, and how maps of turned tiles are turned back."""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor


@dataclass(frozen=True)
class Turn:
    """One of the eight: upside down, left to right, or both, and then rows exchanged for columns or not."""

    down: bool = False
    across: bool = False
    exchanged: bool = False

    def of(self, images: Tensor) -> Tensor:
        """Return pictures (N, C, px, px) turned: in memory N H W C, as `to_images` has it; `PLAIN` changes nothing."""
        if self == PLAIN:
            return images
        turned = self._flipped(images)
        return (turned.mT if self.exchanged else turned).contiguous(memory_format=torch.channels_last)

    def back(self, maps: Tensor) -> Tensor:
        """Return maps (N, S, h, w) of turned pictures as they lie in the pictures themselves."""
        return self._flipped(maps.mT if self.exchanged else maps)

    def _flipped(self, pictures: Tensor) -> Tensor:
        axes = [axis for axis, wanted in ((2, self.down), (3, self.across)) if wanted]
        return pictures.flip(axes) if axes else pictures


PLAIN = Turn()
TURNS: dict[str, tuple[Turn, ...]] = {  # explain.flips -> the pictures that are explained; the tile itself first
    "none": (PLAIN,),
    "horizontal": (PLAIN, Turn(across=True)),
    "all": tuple(Turn(*wanted) for wanted in product((False, True), repeat=3)),
}
