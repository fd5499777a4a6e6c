"""Differences between explanations on the same clusters of tiles, and what is said of them: by hand."""

import math

import numpy as np
import pytest

from stages.ranking.differences import behind_first, differences_in_words, family_difference, told_apart
from stages.ranking.estimates import estimate
from tests.ranking.small_scores import draws, scores_of


def test_a_paired_difference_is_surer_than_its_parts():
    rng = np.random.default_rng(1)
    hard = 0.9 * rng.random(60)
    result = estimate(scores_of([hard + 0.05], [hard + 0.01 * rng.random(60)]), draws(60))
    difference = family_difference(result, [0], [1], 0)
    assert (difference.better, difference.apart.clusters) == ("cnn", 60)
    assert family_difference(result, [1], [0], 0).better == "vit"
    low, high = result.scores[0, 0].interval()
    assert difference.apart.high - difference.apart.low < 0.1 * (high - low)


def test_a_difference_is_of_the_same_two_explanations_throughout():
    """A third one that beats both changes nothing of it: neither the winner nor how surely."""
    hits = [1, 1, 0, 1, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0, 1], [1] * 8
    alone, among = (estimate(scores_of(*([own] for own in rows)), draws(8)) for rows in (hits[:2], hits))
    assert family_difference(among, [0], [1], 0) == family_difference(alone, [0], [1], 0)
    own = family_difference(among, [0], [1], 0)
    assert (own.cnn, own.vit) == (0.75, 0.375)
    assert own.cnn_wins > 0.5 and own.content["cnn_wins_probability"] == own.cnn_wins
    for result in (own, family_difference(among, [1], [0], 0)):
        assert (result.better == "cnn") == (result.cnn_wins > 0.975)
        assert (result.better == "vit") == (result.cnn_wins < 0.025)


def test_a_difference_of_families_is_of_their_means():
    result = estimate(scores_of([(0.9, 0.5)], [(0.3, 0.3)], [(0.2, 0.6)]), draws(2))
    of_means = estimate(scores_of([(0.6, 0.4)], [(0.2, 0.6)]), draws(2))
    own, expected = family_difference(result, [0, 1], [2], 0), family_difference(of_means, [0], [1], 0)
    assert own.cnn == pytest.approx(0.5) and own.vit == pytest.approx(0.4)
    assert (own.apart.low, own.apart.high) == pytest.approx((expected.apart.low, expected.apart.high))


def test_too_few_clusters_name_no_winner():
    for count, better in ((1, "too few"), (4, "too few"), (5, "cnn")):
        clusters = np.arange(40) % count
        steady = np.linspace(0, 0.01, 40)
        result = estimate(scores_of([0.9 + steady], [0.1 - steady], clusters=clusters), draws(count))
        own = family_difference(result, [0], [1], 0)
        assert (own.better, own.apart.clusters) == (better, count)
        assert math.isnan(own.apart.low) == (count < 2)
        answers = [told_apart(behind) for behind in behind_first(result, 0, 0)]
        assert answers == ["too few" if count < 5 else "no", "too few" if count < 5 else "yes"]
        assert ("too few to name the better one: below 5" in differences_in_words({"f1": own})) == (count < 5)


def test_what_has_no_score_is_undefined_and_not_too_few():
    nothing, once = (math.nan,) * 6, (0.3, *(math.nan,) * 5)
    result = estimate(scores_of([(0.9, 0.8, 0.7, 0.9, 0.9, 0.8)], [nothing], [once]), draws(6))
    own = family_difference(result, [0], [1], 0)
    assert own.better == str(own) == "undefined"
    assert differences_in_words({"f1": own}) == "f1 undefined"
    # the last has a score, but no interval
    assert [told_apart(behind) for behind in behind_first(result, 0, 0)] == ["no", "", ""]


def test_the_distance_to_the_first_row_is_paired():
    # the second row is about 0.25 above the first, wherever that is; the third is undefined
    hard, near = np.array([0.0, 0.5, 0.25, 0.6, 0.1, 0.4]), np.array([0.2, 0.3, 0.25, 0.25, 0.3, 0.2])
    result = estimate(scores_of([hard], [hard + near], [hard * math.nan]), draws(6))
    behind = behind_first(result, 1, 0)
    np.testing.assert_allclose([own.value for own in behind], [0.25, 0, math.nan])
    assert (behind[1].low, behind[1].high) == (0, 0)  # the one itself
    assert [told_apart(own) for own in behind] == ["yes", "no", ""]
    ahead = behind_first(result, 0, 0)[1]
    assert (ahead.value, told_apart(ahead)) == (pytest.approx(-0.25), "yes")


def test_one_cluster_has_no_interval():
    own = family_difference(estimate(scores_of([(0.5, 0.4)], [(0.1, 0.1)], clusters=["a", "a"]), draws(1)), [0], [1], 0)
    assert own.better == "too few" and math.isnan(own.cnn_wins)
    assert str(own) == "+0.350 [no interval]"
