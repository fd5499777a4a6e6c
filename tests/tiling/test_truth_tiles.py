"""Truth of resized tiles, by hand: majority of area, and nothing that is thin disappears."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.tiling.truth_tiles import pack, truth_tile


def window(height, width, *areas):
    truth = np.zeros((height, width), bool)
    for top, bottom, left, right in areas:
        truth[top:bottom, left:right] = True
    return truth


def test_a_window_of_the_tiles_extent_is_taken_as_it_is():
    truth = window(20, 20, (3, 4, 5, 6))
    assert truth_tile(truth, 20) is truth


def test_a_shrunk_pixel_is_defect_from_half_of_its_area_on():
    # 4 x 4 source pixels make one: 8 of 16 count, 7 do not where a larger part of the same defect stays
    assert np.argwhere(truth_tile(window(40, 40, (0, 2, 0, 4)), 10)).tolist() == [[0, 0]]
    truth = window(40, 40, (4, 12, 4, 12), (8, 9, 12, 14))  # a spot, and a thin tail of 2 px in the next pixel
    assert np.argwhere(truth_tile(truth, 10)).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_a_scratch_thinner_than_half_a_pixel_stays_a_line():
    # 600 x 3 px in 1000 x 1000 shrunk to 100: 3 of 10 rows of the pixels in one row, columns 10 to 69
    assert np.argwhere(truth_tile(window(1000, 1000, (501, 504, 100, 700)), 100)).tolist() == [
        [50, x] for x in range(10, 70)
    ]
    # it straddles two rows evenly: both
    rows = np.unique(np.nonzero(truth_tile(window(1000, 1000, (498, 502, 100, 700)), 100))[0])
    assert rows.tolist() == [49, 50]
    # 3 rows here, 1 there: the fuller one
    rows = np.unique(np.nonzero(truth_tile(window(1000, 1000, (497, 501, 100, 700)), 100))[0])
    assert rows.tolist() == [49]


def test_a_single_pixel_of_a_large_image_stays_one():
    assert np.argwhere(truth_tile(window(4000, 4000, (2010, 2011, 1990, 1991)), 100)).tolist() == [[50, 49]]


def test_a_thin_defect_stays_beside_a_thick_one():
    truth = window(1000, 1000, (100, 300, 100, 300), (501, 504, 100, 700))
    found = truth_tile(truth, 100)
    assert found[10:30, 10:30].all() and found[50, 10:70].all()
    assert found.sum() == 20 * 20 + 60


@settings(max_examples=80, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 10**6))
def test_no_defect_disappears_and_none_moves(height, width, seed):
    rng = np.random.default_rng(seed)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    y_end, x_end = int(rng.integers(y, min(y + 9, height))) + 1, int(rng.integers(x, min(x + 9, width))) + 1
    found = truth_tile(window(height, width, (y, y_end, x, x_end)), 20)
    rows, columns = np.nonzero(found)
    assert len(rows)
    # every marked pixel overlaps the defect, or, where a side grows and is interpolated, lies next to it
    margin_y, margin_x = max(20 / height, 1), max(20 / width, 1)
    assert rows.min() + 1 > y * 20 / height - margin_y and rows.max() < y_end * 20 / height + margin_y
    assert columns.min() + 1 > x * 20 / width - margin_x and columns.max() < x_end * 20 / width + margin_x


def test_packed_truths_are_one_bit_a_pixel():
    truths = [window(20, 20), window(20, 20, (1, 2, 3, 4))]
    packed = pack(truths, 20)
    assert packed.shape == (2, 20, 3)
    assert np.array_equal(np.unpackbits(packed, axis=-1, count=20).astype(bool), truths)
    assert pack([], 20).shape == (0, 20, 3)
