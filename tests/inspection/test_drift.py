"""What makes a photograph or a run unlike training."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.inspection.drift import RULES, Tally, add, beyond, distance, flags, run_flags
from stages.inspection.tiles import brightness_sharpness

QUANTILES = {"0.01": 0.1, "0.75": 0.7, "0.99": 0.9}
REFERENCE = SimpleNamespace(
    feature_distance=SimpleNamespace(quantiles=QUANTILES),
    brightness=SimpleNamespace(quantiles=QUANTILES),
    sharpness=SimpleNamespace(quantiles=QUANTILES),
    probability=SimpleNamespace(mean=0.3),
    lit_share=SimpleNamespace(mean=0.02),
    feature_mean=(1.0, 2.0),
    feature_std=(0.5, 1.0),
)


def measures(**values):
    usual = np.full(len(next(iter(values.values()))), 0.5)
    return {name: np.array(values.get(name, usual)) for name in ("feature_distance", "brightness", "sharpness")}


def test_a_distance_by_hand():
    assert distance(np.array([[1.0, 2.0], [2.0, 4.0]], np.float32), REFERENCE).tolist() == [0, 2]


def test_brightness_and_sharpness_by_hand():
    tile = np.full((8, 8, 3), 51, np.uint8)
    assert brightness_sharpness(tile) == (0.2, 0.0)
    tile[4, 4] = 151  # the Laplacian there is -400, beside it four times 100, elsewhere 0
    assert brightness_sharpness(tile)[1] == pytest.approx((400**2 + 4 * 100**2) / 64)


def test_tiles_beyond_validations_are_counted_on_each_side():
    counts = beyond(measures(brightness=[0.05, 0.1, 0.9, 0.95, 0.99]), REFERENCE)
    assert counts["are darker than in training"] == 1 and counts["are brighter than in training"] == 2
    assert sum(counts.values()) == 3


def test_a_fifth_of_its_tiles_flags_a_photograph_and_a_twentieth_of_all_a_run():
    counts = beyond(measures(sharpness=[0.05] * 3 + [0.5] * 13), REFERENCE)
    assert flags(counts, 16) == []
    assert flags(counts, 16, of_run=True) == ["19% of its tiles are less sharp than in training"]
    assert flags(counts, 15) == ["20% of its tiles are less sharp than in training"]


def test_one_odd_photograph_of_eight_is_no_sign_of_a_run_that_moved():
    assert flags(beyond(measures(brightness=[0.05] * 2 + [0.5] * 6), REFERENCE), 8, of_run=True) == []
    assert flags(beyond(measures(brightness=[0.05] * 3 + [0.5] * 5), REFERENCE), 8, of_run=True)
    assert flags(beyond(measures(brightness=[0.05]), REFERENCE), 1) == ["100% of its tiles are darker than in training"]


def test_far_features_count_where_there_are_tiles_enough():
    strange = measures(feature_distance=[0.8] * 12 + [0.5] * 10)
    assert flags(beyond(strange, REFERENCE), 22) == [f"55% of its tiles {RULES[1].words}"]
    assert flags(beyond(measures(feature_distance=[0.8] * 10), REFERENCE), 10) == []


def test_a_run_adds_up_its_tiles():
    tally = Tally()
    usual, dark = beyond(measures(brightness=[0.5] * 30), REFERENCE), beyond(measures(brightness=[0.0] * 3), REFERENCE)
    add(tally, usual, np.full(30, 0.2), 0.01, False)
    assert run_flags(tally, REFERENCE) == []
    add(tally, dark, np.array([1.0, 1.0, 1.0]), 0.5, True)
    assert (tally.photographs, tally.flagged, tally.tiles) == (2, 1, 33)
    moved = run_flags(tally, REFERENCE)
    assert moved == [
        "9% of its tiles are darker than in training",
        "share of area lit 0.0545, on validation tiles 0.02",
    ]
    assert run_flags(Tally(), REFERENCE) == []
