"""The choice of one discard ratio for each fusion mode."""

import math

from stages.scoring.choice import best_index, choose_discards


def scores(*values):
    return [{"f1": value} for value in values]


def test_the_best_of_each_fusion_is_chosen():
    fusions, discards = ("min", "min", "max", "max"), (0.0, 0.9, 0.0, 0.9)
    assert choose_discards(fusions, discards, scores(0.1, 0.3, 0.5, 0.2), "f1") == {"min": 1, "max": 2}


def test_ties_and_undefined_go_to_the_smallest_ratio_wherever_it_stands():
    fusions, discards = ("min",) * 3, (0.9, 0.5, 0.0)
    assert choose_discards(fusions, discards, scores(0.3, 0.3, 0.1), "f1") == {"min": 1}
    assert choose_discards(fusions, discards, scores(math.nan, math.nan, math.nan), "f1") == {"min": 2}
    assert choose_discards(fusions, discards, scores(0.0, math.nan, math.nan), "f1") == {"min": 0}


def test_best_index():
    assert best_index(scores(math.nan, 0.2, 0.2), "f1") == 1
