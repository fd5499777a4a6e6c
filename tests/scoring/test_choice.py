"""The choice of one discard ratio for each fusion mode."""

import math

import pytest

from stages.scoring.choice import beats_controls, best_index, choose_discards


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


@pytest.mark.parametrize(
    ("high", "beaten_by_it"),
    [
        ("edge_map", {"cam", "gradcam", "cam_guided"}),
        ("novelty_distance", {"cam", "gradcam", "cam_guided"}),
        ("cam_randomised", {"cam"}),
        ("cam_guided_randomised", {"cam_guided"}),
        ("cam_blur", {"cam_guided"}),  # it is the model's own map, which says nothing against that
    ],
)
def test_which_controls_count_for_which_methods(high: str, beaten_by_it: set[str]) -> None:
    names = ("edge_map", "novelty_distance", "cam_randomised", "cam_guided_randomised", "cam_blur")
    controls = {name: name for name in names}
    scored = dict.fromkeys(names, 0.1) | {high: 0.5}
    for method in ("cam", "gradcam", "cam_guided"):
        beats = beats_controls(method, method, scored | {method: 0.4}, controls)
        assert beats is (method not in beaten_by_it)


def test_every_fusion_of_the_blurred_map_counts() -> None:
    controls = {"rollout_blur_min": "rollout_blur", "rollout_blur_max": "rollout_blur"}
    scored = {"rollout_guided_min": 0.3, "rollout_blur_min": 0.2, "rollout_blur_max": 0.4}
    assert beats_controls("rollout_guided_min", "rollout_guided", scored, controls) is False
    assert beats_controls("rollout_guided_min", "rollout_guided", {**scored, "rollout_blur_max": math.nan}, controls)
