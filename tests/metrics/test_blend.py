"""The map of a photograph: a tile's own values where it is alone, and a partition of one where several are."""

import numpy as np
import pytest

from stages.inspection.tiles import grid
from stages.metrics import blend as module
from stages.metrics.blend import TileMaps, blend, border_weights, strips
from stages.metrics.geometry import upsample
from stages.metrics.thesis import scale_to_255
from stages.tiling.settings import Tile
from stages.tiling.windows import Window, windows


def tile_maps(height: int, width: int, px: int, overlap_px: int, shown=None, mode="window") -> TileMaps:
    places = windows(height, width, Tile(px, overlap_px, mode, "shift", 0.0))
    maps = np.random.default_rng(0).normal(size=(len(places), 4, 4)).astype(np.float32)
    shown = np.ones(len(places), bool) if shown is None else shown(places)
    return TileMaps(*grid(places), maps, shown, px, px / 4, 0.0)


def windows_of(tiles: TileMaps) -> list[Window]:
    return [Window(left, top, tiles.width, tiles.height) for top in tiles.tops for left in tiles.lefts]


def whole(tiles: TileMaps, height: int, width: int) -> np.ndarray:
    found = np.zeros((height, width), np.float32)
    for top, strip in strips(tiles):
        found[top : top + len(strip)] = strip
    return found


def plain(tiles: TileMaps, height: int, width: int) -> np.ndarray:
    """The same, tile by tile, by weights of two dimensions over the whole photograph."""
    total, weights = np.zeros((height, width)), np.zeros((height, width))
    for number, window in enumerate(windows_of(tiles)):
        place = np.arange(tiles.px) + 0.5
        one = np.minimum(place, tiles.px - place)
        weight = one[:, None] * one
        value = tiles.at_tile_size(number) if tiles.shown[number] else 0
        window.of(total)[:] += weight * value
        window.of(weights)[:] += weight
    return total / weights


def test_where_one_tile_alone_covers_the_values_are_its_own():
    tiles = tile_maps(60, 88, 32, 4)
    found = whole(tiles, 60, 88)
    alone = np.zeros((60, 88), int)
    for window in windows_of(tiles):
        window.of(alone)[:] += 1
    own = scale_to_255(upsample(tiles.maps, 32, 8.0))
    for value, window in zip(own, windows_of(tiles), strict=True):
        only = window.of(alone) == 1
        assert only.any() and np.array_equal(window.of(found)[only], value[only])


@pytest.mark.parametrize(("size", "overlap_px"), [((60, 90), 0), ((61, 93), 20), ((32, 32), 2), ((100, 33), 24)])
def test_overlapping_tiles_are_blended_by_weights_that_fall_to_their_borders(size, overlap_px):
    tiles = tile_maps(*size, 32, overlap_px, shown=lambda places: np.arange(len(places)) % 3 != 1)
    assert np.allclose(whole(tiles, *size), plain(tiles, *size), atol=1e-3)


def test_weights_add_up_to_one():
    weights = border_weights([0, 5, 7], 10)
    total = np.zeros(17)
    for start, part in zip([0, 5, 7], weights, strict=True):
        total[start : start + 10] += part
    assert np.allclose(total, 1) and (weights > 0).all()
    assert weights[0, 0] == 1


def test_small_strips_change_nothing(monkeypatch):
    tiles = tile_maps(60, 90, 32, 4)
    before = whole(tiles, 60, 90)
    monkeypatch.setattr(module, "STRIP_VALUES", 200)
    assert np.array_equal(whole(tiles, 60, 90), before)


def test_a_photograph_that_is_one_tile_has_its_map_stretched():
    tiles = tile_maps(50, 70, 32, 0, mode="resize")
    found = whole(tiles, 50, 70)
    expected = tiles.at_tile_size(0)
    assert found.shape == (50, 70) and found.min() >= 0 and found.max() <= 255
    assert abs(found.mean() - expected.mean()) < 2
    assert found[0, 0] == pytest.approx(expected[0, 0]) and found[-1, -1] == pytest.approx(expected[-1, -1])


def test_what_is_above_a_whole_threshold_is_so_after_rounding():
    tiles = tile_maps(60, 90, 32, 8)
    assert np.array_equal(blend(tiles, 60, 90) > 101, whole(tiles, 60, 90) > 101)


def test_tiles_that_are_not_shown_are_black():
    tiles = tile_maps(60, 90, 32, 0, shown=lambda places: np.zeros(len(places), bool))
    assert not blend(tiles, 60, 90).any() and list(strips(tiles)) == []
