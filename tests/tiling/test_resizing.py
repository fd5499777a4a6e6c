"""A window as a tile: the same pixels, averaged where it shrinks, interpolated where it grows."""

import numpy as np

from stages.tiling.resizing import tile_pixels


def test_a_window_of_a_tiles_extent_is_that_array():
    part = np.zeros((8, 8, 3), np.uint8)
    assert tile_pixels(part, 8) is part


def test_a_larger_one_is_averaged_by_area():
    part = np.zeros((4, 4, 3), np.uint8)
    part[:2, :2] = 100
    part[0, 2] = 40
    assert tile_pixels(part, 2)[..., 0].tolist() == [[100, 10], [0, 0]]


def test_a_smaller_one_is_interpolated():
    part = np.array([[0, 100]], np.uint8).repeat(3).reshape(1, 2, 3)
    assert tile_pixels(part, 4)[0, :, 0].tolist() == [0, 25, 75, 100]
