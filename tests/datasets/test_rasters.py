"""COCO's run lengths: by hand, and against an encoder written from the format's description."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.datasets.rasters import mask_of_runs, run_lengths


def encode(lengths):
    """Write run lengths as text: five bits a letter, the lowest first, differences from the fourth number on."""
    text = ""
    for place, length in enumerate(lengths):
        rest = length - lengths[place - 2] if place > 2 else length
        while True:
            piece, rest = rest & 31, rest >> 5
            last = rest == (-1 if piece & 16 else 0)
            text += chr(48 + piece + (0 if last else 32))
            if last:
                break
    return text


def test_a_mask_by_hand():
    # columns: 0 0 | 1 1 | 1 0; so two of 0, three of 1, one of 0
    assert mask_of_runs([2, 3, 1], 2, 3).tolist() == [[False, True, True], [False, True, False]]
    assert run_lengths("231") == [2, 3, 1]
    assert mask_of_runs([0, 6], 2, 3).all()


def test_numbers_by_hand():
    assert run_lengths("0") == [0]
    assert run_lengths("?") == [15]  # 15 has no bit of 16
    assert run_lengths("`0") == [16]  # 16 has one, so a second piece says that it is not negative
    assert run_lengths("1110") == [1, 1, 1, 1]  # the fourth is a difference of 0 to the second
    assert run_lengths("151O") == [1, 5, 1, 4]  # 79 - 48 = 31: all bits set, which is -1


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_text_and_numbers_are_the_same(lengths):
    assert run_lengths(encode(lengths)) == lengths


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_a_mask_comes_back(height, width, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    assert np.array_equal(mask_of_runs(([0] if flat[0] else []) + runs, height, width), mask)


@pytest.mark.parametrize("text", ["p", "/", "\n", "P", "oooooooo0", "1P"])
def test_text_that_is_no_code(text):
    with pytest.raises(ValueError, match=r"not in the code|ends within a number"):
        run_lengths(text)


@pytest.mark.parametrize("lengths", [[], [5], [7], [-1, 7], [2**70], [2**63, 2**63, 6]])
def test_lengths_that_do_not_cover_the_image(lengths):
    with pytest.raises(ValueError, match="they cover"):
        mask_of_runs(lengths, 2, 3)
