"""Cells and pixels: bilinear enlargement against a slow one, any cell and offset; averages over cells."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.geometry import area_weights, cell_averages, centre_pixels, upsample


def slowly(heatmap: np.ndarray, px: int, cell_px: float, offset_px: float) -> np.ndarray:
    """Interpolate at one pixel centre after the other, first along x, then along y."""
    tall = np.empty((px, px))
    for y in range(px):
        for x in range(px):
            i, j = (
                min(max((place + 0.5 - offset_px) / cell_px - 0.5, 0), side - 1)
                for place, side in zip((y, x), heatmap.shape, strict=True)
            )
            top, left = int(i), int(j)
            bottom, right = min(top + 1, heatmap.shape[0] - 1), min(left + 1, heatmap.shape[1] - 1)
            upper = heatmap[top, left] * (1 - (j - left)) + heatmap[top, right] * (j - left)
            lower = heatmap[bottom, left] * (1 - (j - left)) + heatmap[bottom, right] * (j - left)
            tall[y, x] = upper * (1 - (i - top)) + lower * (i - top)
    return tall


@pytest.mark.parametrize(
    ("shape", "px", "cell_px", "offset_px"),
    [
        ((4, 4), 28, 7.0, 0.0),  # cells fill the tile
        ((4, 4), 28, 8.0, 0.0),  # they reach beyond it
        ((3, 5), 28, 6.4, 2.3),  # a fractional cell, moved right and down
        ((4, 4), 28, 9.0, -4.5),  # moved left and up by padding
        ((1, 1), 5, 5.0, 0.0),
        ((1, 3), 6, 2.0, 0.0),
    ],
)
def test_upsample_agrees_with_a_slow_reference(shape, px, cell_px, offset_px):
    maps = np.random.default_rng(0).normal(0, 3, (3, *shape)).astype(np.float32)
    tall = upsample(maps, px, cell_px, offset_px)
    assert tall.dtype == np.float32
    np.testing.assert_allclose(tall, [slowly(one, px, cell_px, offset_px) for one in maps], atol=1e-5)


def test_upsample_agrees_with_opencv_where_cells_fill_the_tile():
    maps = np.random.default_rng(1).random((2, 7, 7), dtype=np.float32)
    np.testing.assert_allclose(upsample(maps, 112), [cv2.resize(one, (112, 112)) for one in maps], atol=1e-5)


def test_upsample_is_bilinear_with_aligned_pixel_centres():
    tall = upsample(np.array([[[0.0, 1.0], [2.0, 3.0]]]), 4)
    # centres at (i + 0.5) / 2 - 0.5 = -0.25, 0.25, 0.75, 1.25 of the small map, clamped to 0..1
    along = np.array([0, 0.25, 0.75, 1])
    np.testing.assert_allclose(tall[0], 2 * along[:, None] + along[None, :])


def test_cells_keep_their_extent_where_they_reach_beyond_the_tile():
    # Two cells of 4 px make 8 px: centres at 1.5 and 5.5. Of a tile of 6 px, pixels 0 and 1 lie left of the first
    # centre (value 0), pixel 2 is an eighth of the way to the second, 3 three eighths, 4 five eighths, 5 seven eighths.
    maps = np.array([[[0.0, 8.0], [0.0, 8.0]]])
    np.testing.assert_allclose(upsample(maps, 6, cell_px=4)[0], np.tile([0, 0, 1, 3, 5, 7], (6, 1)), atol=1e-5)
    np.testing.assert_array_equal(upsample(maps, 6, cell_px=3), upsample(maps, 6))
    # moved right by 2 px: everything two pixels later
    np.testing.assert_allclose(upsample(maps, 6, 4, 2)[0], np.tile([0, 0, 0, 0, 1, 3], (6, 1)), atol=1e-5)


@given(st.floats(-1e4, 1e4, width=16), st.floats(3, 9), st.floats(-4, 4))
def test_a_constant_map_stays_constant(value, cell_px, offset_px):
    tall = upsample(np.full((1, 3, 3), value, np.float16), 10, cell_px, offset_px)
    assert tall.shape == (1, 10, 10)
    assert (tall == np.float32(value)).all()


def test_a_tile_is_enlarged_alike_whatever_is_beside_it():
    maps = np.random.default_rng(2).random((33, 14, 14), dtype=np.float32)
    together = upsample(maps, 112, 8.1, 0.3)
    np.testing.assert_array_equal(together, np.concatenate([upsample(maps[[row]], 112, 8.1, 0.3) for row in range(33)]))


def test_averages_over_cells():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    assert cell_averages(image, 2, 2)[0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    # cells of 3 px: the second holds one column and one row of the tile
    np.testing.assert_allclose(cell_averages(image, 2, 2, 3.0)[0], [[5, 7], [13, 15]], rtol=1e-6)
    # moved by half a pixel: pixels 0.5..2.5 weigh a half, one, a half
    assert cell_averages(image, 1, 1, 2.0, 0.5)[0].tolist() == [[5]]
    # a cell beyond the tile repeats its edge pixels
    np.testing.assert_allclose(cell_averages(image, 3, 3, 2.0)[0, 2], [12.5, 14.5, 15], atol=1e-4)


@given(st.integers(1, 9), st.integers(4, 40), st.floats(1, 20), st.floats(-10, 10))
def test_averaging_weights_add_up_to_one(cells, px, cell_px, offset_px):
    weights = area_weights(cells, px, cell_px, offset_px)
    assert weights.shape == (cells, px)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_centres_of_cells_stay_in_the_tile():
    cells = np.arange(4)
    assert centre_pixels(cells, 4, 112).tolist() == [14, 42, 70, 98]
    assert centre_pixels(cells, 4, 112, 32.0).tolist() == [16, 48, 80, 111]
    assert centre_pixels(cells, 4, 112, 32.0, -20.0).tolist() == [0, 28, 60, 92]
