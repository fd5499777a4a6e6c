"""Cells and their places: worked by hand, and as scoring enlarges maps."""

import numpy as np
import pytest
import torch

from stages.explainers.grids import Grid, resample
from stages.metrics.geometry import upsample


def test_mirrored_cells_lie_where_the_mirror_puts_them() -> None:
    # four cells of 32 px reach 16 px beyond a tile of 112; mirrored they begin 16 px before it
    assert Grid(112, 32).mirrored(4, 4, down=False, across=True) == Grid(112, 32, 0, -16)
    # three of 32 px leave 16 px out at the right; mirrored at the left
    assert Grid(112, 32).mirrored(3, 3, down=True, across=True) == Grid(112, 32, 16, 16)
    # what padding moves 3 px to the left lies 3 px to the right
    assert Grid(112, 16, -3, -3).mirrored(7, 7, down=True, across=False) == Grid(112, 16, 3, -3)
    even = Grid(112, 16)
    assert even.even and even.mirrored(7, 7, down=True, across=True) == even
    assert not Grid(112, 32).even and not Grid(112, 16, 1, 1).even


@pytest.mark.parametrize(("cells", "cell_px", "offset_px"), [(7, 16.0, 0.0), (4, 32.0, -15.5), (3, 32.0, 0.0)])
def test_enlarging_to_pixels_is_what_scoring_does(cells: int, cell_px: float, offset_px: float) -> None:
    maps = torch.randn(2, 3, cells, cells)
    ours = resample(maps, Grid(112, cell_px, offset_px, offset_px), Grid(112, 1), 112, 112)
    scored = upsample(maps.flatten(0, 1).numpy(), 112, cell_px, offset_px)
    np.testing.assert_allclose(ours.flatten(0, 1).numpy(), scored, atol=1e-5)


def test_half_as_wide_cells_of_a_tile_twice_as_large() -> None:
    """Cells of 16 px on 32 px, as cells of 16 px on the same tile at 64 px: 8 px of the tile."""
    maps = torch.tensor([[[[0.0, 8.0], [16.0, 24.0]]]])
    finer = resample(maps, Grid(32, 16), Grid(64, 16), 4, 4)
    assert finer[0, 0, 0].tolist() == [0, 2, 6, 8] and finer[0, 0, :, 0].tolist() == [0, 4, 12, 16]
    torch.testing.assert_close(finer.mean(), maps.mean())  # the mean over the tile is kept


def test_nothing_moves_where_the_grid_stays_and_constants_stay_constant() -> None:
    maps = torch.randn(1, 1, 7, 7)
    assert resample(maps, Grid(112, 16), Grid(112, 16), 7, 7) is maps
    constant = torch.full((1, 1, 4, 4), 0.1)
    moved = resample(constant, Grid(112, 32, -3, -3), Grid(112, 14), 8, 8)
    assert moved.unique().tolist() == constant.unique().tolist()


def test_mirrored_maps_are_moved_to_mirrored_places() -> None:
    maps, grid = torch.randn(1, 2, 4, 4), Grid(112, 32)
    moved = resample(maps, grid, Grid(112, 14), 8, 8)
    mirrored = resample(maps.flip(3), grid.mirrored(4, 4, down=False, across=True), Grid(112, 14), 8, 8)
    torch.testing.assert_close(mirrored, moved.flip(3))
