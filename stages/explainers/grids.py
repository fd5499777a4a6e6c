"""Where the cells of a map lie in a tile, and maps moved from one grid of cells to another."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Square cells in a picture of px x px: cell (i, j) begins i cell_px + top_px below and j cell_px + left_px right.

    The picture may be a tile or a tile at another scale; positions in both are fractions of the same whole.
    """

    px: int
    cell_px: float
    top_px: float = 0.0
    left_px: float = 0.0

    @property
    def even(self) -> bool:
        """Whether the cells fill the picture exactly, so that mirrored cells lie where the cells do."""
        return self.top_px == self.left_px == 0 and self.px % self.cell_px == 0

    def mirrored(self, rows: int, columns: int, down: bool, across: bool) -> "Grid":
        """Return where `rows` x `columns` cells lie once the picture is turned upside down, left to right, or both."""
        top = self.px - rows * self.cell_px - self.top_px if down else self.top_px
        left = self.px - columns * self.cell_px - self.left_px if across else self.left_px
        return Grid(self.px, self.cell_px, top, left)


def resample(maps: Tensor, source: Grid, target: Grid, rows: int, columns: int) -> Tensor:
    """Return maps on another grid: values at the new centres, linear between the nearest old ones, edges repeated.

    Args:
        maps: (N, S, h, w) on the cells of `source`.
        source, target: of the same picture, at whatever scale.
        rows, columns: of the new maps.

    Returns:
        (N, S, rows, columns); `maps` itself where nothing moves. A constant map stays exactly constant, and what is
        mirrored comes out mirrored.

    >>> two_cells = torch.tensor([[[[0.0, 4.0]]]])
    >>> resample(two_cells, Grid(4, 2), Grid(4, 1), 1, 4).tolist()
    [[[[0.0, 1.0, 3.0, 4.0]]]]
    """
    scale = source.px / target.px
    for axis, count, before, after in (
        (2, rows, source.top_px, target.top_px),
        (3, columns, source.left_px, target.left_px),
    ):
        if (target.px, target.cell_px, after, count) == (source.px, source.cell_px, before, maps.shape[axis]):
            continue
        centres = (torch.arange(count, dtype=torch.float64) + 0.5) * target.cell_px + after
        places = ((centres * scale - before) / source.cell_px - 0.5).clamp(0, maps.shape[axis] - 1)
        low = places.floor().long()
        high = (low + 1).clamp(max=maps.shape[axis] - 1)
        share = (places - low).to(maps.dtype).view(-1, *[1] * (3 - axis)).to(maps.device)
        lower, upper = (maps.index_select(axis, index.to(maps.device)) for index in (low, high))
        maps = torch.lerp(lower, upper, share)
    return maps
