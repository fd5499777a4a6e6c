"""Windows of images, by hand and by what must hold for all of them."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stages.tiling.windows import Window, window_starts, windows
from tests.datasets.small_sets import TILE

THESIS = replace(TILE, px=224, overlap_px=2)
# Width, height and number of images of the ten board designs of HRIPCB, and full tiles of one image
HRIPCB = {
    "01": (3034, 1586, 120, 91),
    "04": (3056, 2464, 120, 143),
    "05": (2544, 2156, 60, 99),
    "06": (2868, 2316, 61, 120),
    "07": (2904, 1921, 60, 104),
    "08": (2759, 2154, 60, 108),
    "09": (2775, 2159, 60, 108),
    "10": (2240, 2016, 32, 90),
    "11": (2282, 2248, 60, 100),
    "12": (2529, 2530, 60, 121),
}


def test_windows_of_the_thesis():
    assert window_starts(224, 224, 2, "drop") == [0]
    assert window_starts(445, 224, 2, "drop") == [0]
    assert window_starts(446, 224, 2, "drop") == [0, 222]
    assert window_starts(1586, 224, 2, "drop") == [0, 222, 444, 666, 888, 1110, 1332]
    assert window_starts(3034, 224, 2, "drop")[-1] == 2664


def test_a_shifted_window_is_flush_with_the_end():
    assert window_starts(445, 224, 2, "shift") == [0, 221]
    assert window_starts(446, 224, 2, "shift") == [0, 222]
    assert window_starts(224, 224, 2, "shift") == [0]


@given(st.integers(8, 60), st.integers(8, 20), st.integers(0, 7))
def test_shifted_windows_cover_everything_and_dropped_ones_are_some_of_them(length, px, overlap):
    dropped, shifted = (window_starts(length, px, overlap, border) for border in ("drop", "shift"))
    assert shifted[: len(dropped)] == dropped
    if length >= px:
        covered = {position for start in shifted for position in range(start, start + px)}
        assert covered == set(range(length))


def test_the_whole_of_hripcb_has_76680_full_tiles():
    counts = {board: len(windows(height, width, THESIS)) for board, (width, height, _, _) in HRIPCB.items()}
    assert counts == {board: tiles for board, (_, _, _, tiles) in HRIPCB.items()}
    assert sum(counts[board] * images for board, (_, _, images, _) in HRIPCB.items()) == 76_680


def test_windows_run_row_by_row():
    assert windows(36, 40, TILE) == [Window(x, y, 20, 20) for y in (0, 16) for x in (0, 16)]


def test_an_image_smaller_than_a_tile_in_one_side_is_one_window():
    assert windows(19, 500, TILE) == [Window(0, 0, 500, 19)]
    assert windows(500, 19, TILE) == [Window(0, 0, 19, 500)]
    assert windows(20, 20, TILE) == [Window(0, 0, 20, 20)]
    assert windows(500, 500, replace(TILE, mode="resize")) == [Window(0, 0, 500, 500)]
