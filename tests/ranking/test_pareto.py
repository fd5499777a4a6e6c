"""The Pareto front: by hand, and what must hold for any rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.ranking.pareto import pareto_front

NAN = float("nan")


def front(rows):
    return pareto_front(np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], float)).tolist()


def test_by_hand():
    #              best       as good, slower  fast       worse and slower  equal to the fast one
    assert front([(0.9, 20), (0.9, 25), (0.5, 5), (0.4, 6), (0.5, 5)]) == [True, False, True, False, True]


def test_what_is_not_known_is_not_on_the_front_and_beats_nothing():
    assert front([(NAN, 1), (0.9, NAN), (0.1, 9)]) == [False, False, True]
    assert front([]) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_every_row_off_the_front_is_beaten_by_one_on_it(rows):
    on = front(rows)
    assert any(on)
    for row, is_on in zip(rows, on, strict=True):
        beaten_by = [
            other
            for other, other_on in zip(rows, on, strict=True)
            if other_on and other[0] >= row[0] and other[1] <= row[1] and other != row
        ]
        assert is_on == (not beaten_by)
