"""Regions at every decision threshold: two tiles by hand, and random photographs labelled anew for each threshold."""

import numpy as np
import pytest
from scipy.ndimage import label

from stages.metrics.regions import NONE, Defects, lit_parts, regions_by_threshold

SIDES = [(0, 0, 4, 4), (4, 0, 4, 4)]  # two tiles side by side


def steps(heat, truth, probability, windows=SIDES, level=127, tolerance_px=0.0, min_region_px=1):
    """Return [probability, false, found] of every step."""
    parts = lit_parts(heat, windows, probability, level)
    near = Defects(truth).near(parts.peak_y, parts.peak_x, tolerance_px)
    found = regions_by_threshold(parts, near.tolist(), min_region_px)
    return [list(step) for step in zip(found.probability, found.false, found.found, strict=True)]


def two_tiles():
    """A defect at the left of the seam, lit there; and brighter right of it."""
    heat, truth = np.zeros((4, 8), np.uint8), np.zeros((4, 8), bool)
    heat[1, 3], heat[1, 4], truth[1, 3] = 200, 255, True
    return heat, truth


def test_a_region_that_grows_over_a_seam_is_one_with_the_higher_peak():
    heat, truth = two_tiles()
    assert steps(heat, truth, [0.9, 0.5]) == [[0.9, 0, 1], [0.5, 1, 0]]  # its peak has left the defect
    assert steps(heat, truth, [0.9, 0.5], tolerance_px=1.0) == [[0.9, 0, 1]]
    assert steps(heat, truth, [0.5, 0.9]) == [[0.9, 1, 0]]  # nothing changes when the left part joins it
    assert steps(heat, truth, [0.7, 0.7]) == [[0.7, 1, 0]]  # equal tiles are shown together


def test_small_regions_do_not_count_until_they_have_grown():
    heat, truth = two_tiles()
    assert steps(heat, truth, [0.9, 0.5], tolerance_px=1.0, min_region_px=2) == [[0.5, 0, 1]]
    assert steps(heat, truth, [0.9, 0.5], min_region_px=3) == []


def test_a_defect_is_found_once_and_a_region_finds_one():
    heat, truth = np.zeros((4, 8), np.uint8), np.zeros((4, 8), bool)
    truth[1:3, 0:3] = True
    heat[1, 0] = heat[1, 2] = 255  # two regions in one defect
    assert steps(heat, truth, [0.9, 0.5]) == [[0.9, 0, 1]]
    heat, truth = np.full((4, 8), 200, np.uint8), np.zeros((4, 8), bool)
    truth[1, 1] = truth[1, 6] = True
    heat[1, 1] = 255  # everything lights up: one region, whose peak is in one of two defects
    assert steps(heat, truth, [0.9, 0.5]) == [[0.9, 0, 1]]


def test_black_maps_have_no_region_and_corners_touch():
    heat, truth = np.zeros((4, 8), np.uint8), np.ones((4, 8), bool)
    assert steps(heat, truth, [0.9, 0.5]) == []
    heat[0, 3], heat[1, 4] = 200, 255  # corner to corner over the seam
    assert steps(heat, np.zeros((4, 8), bool), [0.9, 0.5]) == [[0.9, 1, 0]]


def test_of_equal_pixels_the_one_farthest_from_the_border_is_the_peak():
    heat = np.zeros((4, 4), np.uint8)
    heat[2, 0:3] = 255  # a cell's value is repeated to the border: its centre is what the map points at
    parts = lit_parts(heat, SIDES[:1], [1.0], 127)
    assert (parts.peak_y.tolist(), parts.peak_x.tolist(), parts.area_px.tolist()) == ([2], [1], [3])


@pytest.mark.parametrize("stride", [6, 4])  # tiles of 6 px, side by side and overlapping
def test_as_labelled_anew_for_every_threshold(stride):
    rng = np.random.default_rng(stride)
    for _ in range(20):
        windows = [(x, y, 6, 6) for y in (0, stride) for x in (0, stride, 2 * stride)]
        shape = (stride + 6, 2 * stride + 6)
        heat = rng.permutation(shape[0] * shape[1]).astype(np.uint8).reshape(shape)  # each value once
        truth, probability = rng.random(shape) < 0.1, rng.choice([0.2, 0.4, 0.6, 0.8], len(windows))
        surest = np.zeros(shape)
        for (x, y, width, height), own in zip(windows, probability, strict=True):
            part = surest[y : y + height, x : x + width]
            np.maximum(part, own, out=part)
        defects, _ = label(truth, np.ones((3, 3)))
        level, expected = 90, []
        for threshold in (0.8, 0.6, 0.4, 0.2):
            regions, count = label((heat > level) & (surest >= threshold), np.ones((3, 3)))
            large = [number for number in range(1, count + 1) if (regions == number).sum() >= 3]
            hit = [defects.flat[np.where(regions == number, heat.astype(int), -1).argmax()] for number in large]
            expected.append([threshold, hit.count(0), len(set(hit) - {0})])
        found = {step[0]: step[1:] for step in steps(heat, truth, probability, windows, level, min_region_px=3)}
        last = [0, 0]
        for threshold, *counts in expected:
            last = found.get(threshold, last)
            assert last == counts


def test_the_nearest_defect_within_the_tolerance():
    truth = np.zeros((9, 9), bool)
    truth[0, 0] = truth[0, 8] = truth[1, 7] = True  # two defects: the second is joined at a corner
    known = Defects(truth)
    assert known.count == 2
    assert known.near([0, 0, 0, 4, 2], [0, 2, 5, 4, 7], 2.0).tolist() == [0, 0, NONE, NONE, 1]
    assert Defects(np.zeros((3, 3), bool)).near([1], [1], 9.0).tolist() == [NONE]
