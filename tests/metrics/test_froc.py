"""FROC worked out on paper, its invariants and clusters; the ROC of photographs against a count of pairs."""

import math

import numpy as np
import pytest

from stages.metrics.froc import (
    FALSE_REGIONS,
    FROC,
    auroc_parts,
    curve_scores,
    curves_of,
    froc_parts,
    steps_of,
)
from stages.metrics.regions import Steps

# Two photographs with two defects each. Together, as the threshold falls:
#   0.9: 0 false, 1 found   0.8: 1 false, 1 found   0.6: 2, 1   0.5: 2, 2   0.4: 2, 3
ONE = ([0.9, 0.6, 0.4], [0, 1, 1], [1, 1, 2])
OTHER = ([0.8, 0.5], [1, 1], [0, 1])


def curves(*steps, defects=2, clusters="ab"):
    """Return the curves of photographs with so many defects each."""
    of_photographs = [Steps(*(np.array(column) for column in step)) for step in steps]
    return curves_of(list(clusters)[: len(steps)], of_photographs, [defects] * len(steps))


def test_a_curve_worked_out_on_paper():
    scores = curve_scores(curves(ONE, OTHER))
    quarter, three_quarters = 1 / 4, 3 / 4
    expected = dict.fromkeys(["found_at_1_8", "found_at_1_4", "found_at_1_2"], quarter)
    expected |= dict.fromkeys(["found_at_1", "found_at_2", "found_at_4", "found_at_8"], three_quarters)
    assert scores == pytest.approx(expected | {FROC: (3 * quarter + 4 * three_quarters) / 7})
    points = {most: (found, threshold) for most, found, threshold in curves(ONE, OTHER).points()}
    assert (points[0.125], points[1.0], points[8.0]) == ((0.25, 0.9), (0.75, 0.4), (0.75, 0.4))
    assert len(points) == 13


def test_equal_confidences_are_shown_together():
    tied = ([0.9, 0.5], [1, 1], [0, 1])  # its false region comes with the first find
    scores = curve_scores(curves(ONE, tied))
    assert (scores["found_at_1_8"], scores["found_at_1_2"]) == (0.0, 0.25)


def test_only_the_order_of_confidences_matters():
    cubed = [([value**3 for value in step[0]], *step[1:]) for step in (ONE, OTHER)]
    assert curve_scores(curves(*cubed)) == curve_scores(curves(ONE, OTHER))


def test_perfect_empty_and_undefined():
    perfect = ([0.9, 0.8], [0, 0], [1, 2])
    nothing = ([], [], [])
    assert set(curve_scores(curves(perfect, perfect)).values()) == {1.0}
    assert set(curve_scores(curves(nothing, nothing)).values()) == {0.0}
    assert all(math.isnan(value) for value in curve_scores(curves(ONE, OTHER, defects=0)).values())
    assert math.isnan(next(iter(curves(nothing).points()))[2])
    always_wrong = ([0.9], [9], [0])  # more false regions than any budget, from the first threshold on
    assert set(curve_scores(curves(always_wrong)).values()) == {0.0}


def test_regions_that_meet_are_fewer_but_what_is_lost_does_not_count():
    """The best threshold within the budget counts, also where a lower one finds less."""
    meets = ([0.9, 0.5, 0.3], [0, 3, 0], [2, 2, 1])
    assert curve_scores(curves(meets))["found_at_1_8"] == 1.0
    assert [point[2] for point in curves(meets).points()] == [0.9] * 13


def test_a_curve_ends_where_false_regions_are_too_many():
    long = ([0.9, 0.8, 0.7], [0, 17, 0], [0, 0, 2])
    assert curves(long).thresholds.tolist() == [0.9] and curve_scores(curves(long))["found_at_8"] == 0.0


def test_clusters_add_up_to_the_curve_of_their_photographs():
    both = curves(ONE, OTHER)
    for score in (*FALSE_REGIONS, FROC):
        parts = froc_parts(both, score)
        alone = [curve_scores(curves(step))[score] for step in (ONE, OTHER)]
        assert parts.value == curve_scores(both)[score] and parts.weights.tolist() == [2, 2]
        np.testing.assert_allclose(parts.without_each(), alone[::-1])
        twice = curve_scores(curves(ONE, ONE, OTHER, clusters="aab"))[score]
        np.testing.assert_allclose(parts.scores([[2, 1], [1, 1]]), [twice, parts.value])


def test_steps_come_from_the_lists_of_a_table():
    (own,) = steps_of({"confidence": [[0.9, 0.5]], "false": [[0, 1]], "found": [[1, 1]]})
    assert (own.confidence.tolist(), own.false.tolist(), own.found.tolist()) == ([0.9, 0.5], [0, 1], [1, 1])


def test_auroc_of_photographs_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    clusters, probability, defective = rng.integers(0, 4, 30), rng.integers(0, 6, 30) / 5, rng.random(30) < 0.4
    parts = auroc_parts(clusters, probability, defective)

    def by_pairs(rows):
        pairs = [(a > b) + (a == b) / 2 for a in probability[rows & defective] for b in probability[rows & ~defective]]
        return np.mean(pairs)

    assert parts.value == pytest.approx(by_pairs(np.ones(30, bool)))
    np.testing.assert_allclose(parts.without_each(), [by_pairs(clusters != own) for own in range(4)])
    assert parts.weights.sum() == min(defective.sum(), (~defective).sum())
    assert math.isnan(auroc_parts(clusters, probability, np.ones(30, bool)).value)
