"""Which tiles pictures show: all kinds, evenly spread, the same ones for the same numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.figures.which_tiles import choose_gallery_tiles, choose_methods_tiles, choose_viewer_tiles


def kinds(probability, defective, count=8):
    probability, defective = np.array(probability), np.array(defective, bool)
    chosen = choose_gallery_tiles(probability, defective, 0.5, count)
    return [(bool(defective[place]), bool(probability[place] > 0.5)) for place in chosen]


HIT, MISS, ALARM, CORRECT = (True, True), (True, False), (False, True), (False, False)


def test_eight_rows_of_all_kinds():
    probability = np.linspace(0, 1, 40)
    defective = np.arange(40) % 2 == 0
    assert kinds(probability, defective) == [HIT] * 4 + [MISS] + [ALARM] + [CORRECT] * 2


def test_the_most_certain_false_alarm_is_shown():
    probability = np.array([0.6, 0.9, 0.7, 0.1])
    chosen = choose_gallery_tiles(probability, np.zeros(4, bool), 0.5, 2)
    assert chosen.tolist() == [1, 3]


def test_a_perfect_classifier_and_few_tiles():
    assert kinds([0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0]) == [HIT, HIT, CORRECT, CORRECT]
    assert kinds([0.9] * 20, [1] * 20) == [HIT] * 8
    assert kinds([], []) == []


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.integers(1, 12))
def test_chosen_tiles_are_distinct_and_as_many_as_there_can_be(tiles, count):
    probability = np.array([value for value, _ in tiles])
    defective = np.array([label for _, label in tiles], bool)
    chosen = choose_gallery_tiles(probability, defective, 0.5, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(tiles))
    assert chosen.tolist() == choose_gallery_tiles(probability, defective, 0.5, count).tolist()
    shown = {(bool(defective[place]), bool(probability[place] > 0.5)) for place in chosen}
    there = {(bool(d), bool(p > 0.5)) for p, d in zip(probability, defective, strict=True)}
    assert len(shown) >= min(len(there), count)


def test_rows_are_spread_over_the_defective_tiles_or_over_all_where_none_is():
    defective = np.array([0, 1, 1, 1, 0, 1, 1], bool)
    for count, expected in ((1, [1]), (2, [1, 6]), (3, [1, 3, 6]), (9, [1, 2, 3, 5, 6])):
        rows, label = choose_methods_tiles(defective, count)
        assert (rows.tolist(), label) == (expected, "defective")
    rows, label = choose_methods_tiles(np.zeros(3, bool), 2)
    assert (rows.tolist(), label) == ([0, 2], "good")


def test_tiles_are_chosen_from_every_kind_and_good_ones_last():
    classes = np.array(["good"] * 10 + ["a"] * 8 + ["b"] * 1 + ["c"] * 20, object)
    chosen = choose_viewer_tiles(classes, classes != "good", 9)
    assert len(set(chosen.tolist())) == len(chosen)
    kinds = classes[chosen].tolist()
    assert kinds == ["a"] * 2 + ["b"] + ["c"] * 2 + ["good"] * 3
    assert choose_viewer_tiles(classes, classes != "good", 9).tolist() == chosen.tolist()


def test_no_defective_tile_leaves_only_good_ones():
    chosen = choose_viewer_tiles(np.array(["good"] * 4, object), np.zeros(4, bool), 6)
    assert len(chosen) == 2
