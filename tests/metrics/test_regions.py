"""Regions at every decision threshold: two tiles by hand, and random photographs labelled anew for each threshold."""

import numpy as np
import pytest
from scipy.ndimage import label

from stages.metrics.regions import NONE, Defects, lit_parts, regions_by_threshold

SIDES = [(0, 0, 4, 4), (4, 0, 4, 4)]  # two tiles side by side


def steps(heat, truth, probability, windows=SIDES, level=127, tolerance_px=0.0, min_region_px=1):
    """Return [confidence, false, found] of every step."""
    parts = lit_parts(heat, windows, probability, level)
    near = Defects(truth).near(parts.peak_y, parts.peak_x, tolerance_px)
    found = regions_by_threshold(parts, near.tolist(), min_region_px)
    return [list(step) for step in zip(found.confidence, found.false, found.found, strict=True)]


def two_tiles():
    """A defect at the left of the seam, lit there; and brighter right of it."""
    heat, truth = np.zeros((4, 8), np.uint8), np.zeros((4, 8), bool)
    heat[1, 3], heat[1, 4], truth[1, 3] = 204, 255, True
    return heat, truth


def test_a_region_that_grows_over_a_seam_is_one_with_the_surer_peak():
    heat, truth = two_tiles()
    half = 0.9 * (204 / 255)
    assert steps(heat, truth, [0.9, 0.5]) == [[half, 0, 1]]  # nothing changes when the right part joins at 0.5
    assert steps(heat, truth, [0.9, 0.8]) == [[0.8, 1, 0]]  # surer although its tile is not: it is brighter
    assert steps(heat, truth, [0.9, 0.8], tolerance_px=1.0) == [[0.8, 0, 1]]
    assert steps(heat, truth, [0.6, 0.9]) == [[0.9, 1, 0]]
    heat[1, 4] = 204
    assert steps(heat, truth, [0.7, 0.7]) == [[0.7 * (204 / 255), 0, 1]]  # shown together; of equal ones the first


def test_two_regions_that_meet_are_the_surer_one():
    heat, truth = np.zeros((4, 8), np.uint8), np.zeros((4, 8), bool)
    heat[0, 0:4], heat[0, 0], heat[2, 0:4], heat[2, 0] = 150, 255, 150, 204  # two regions of the left tile
    heat[0:3, 4] = 150  # the right tile joins them
    truth[2, 0] = True
    bridge = [0.5 * (150 / 255), 1, 0]
    assert steps(heat, truth, [1.0, 0.5]) == [[1.0, 1, 0], [0.8, 1, 1], bridge]  # the defect's region is no more


def test_small_regions_do_not_count_until_they_have_grown():
    heat, truth = two_tiles()
    assert steps(heat, truth, [0.9, 0.5], min_region_px=2) == [[0.5, 0, 1]]
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
    heat[0, 3], heat[1, 4] = 204, 204  # corner to corner over the seam
    assert steps(heat, np.zeros((4, 8), bool), [1.0, 0.5]) == [[0.8, 1, 0]]


def test_of_equal_pixels_the_one_farthest_from_the_border_is_the_peak():
    heat = np.zeros((4, 4), np.uint8)
    heat[2, 0:3] = 255  # a cell's value is repeated to the border: its centre is what the map points at
    parts = lit_parts(heat, SIDES[:1], [1.0], 127)
    assert (parts.peak_y.tolist(), parts.peak_x.tolist(), parts.area_px.tolist()) == ([2], [1], [3])


@pytest.mark.parametrize("stride", [6, 4])  # tiles of 6 px, side by side and overlapping
def test_as_labelled_anew_for_every_threshold(stride):
    """Pixels of a tile's part are shown when the part is; the region's peak is where its confidence is highest."""
    rng, corners = np.random.default_rng(stride), np.ones((3, 3))
    for _ in range(20):
        windows = [(x, y, 6, 6) for y in (0, stride) for x in (0, stride, 2 * stride)]
        shape = (stride + 6, 2 * stride + 6)
        heat = rng.permutation(shape[0] * shape[1]).astype(np.uint8).reshape(shape)  # each value once
        truth, probability = rng.random(shape) < 0.1, rng.permutation(len(windows)) / 10 + 0.3
        owner = np.zeros(shape, int)
        for tile in np.argsort(probability):
            x, y, width, height = windows[tile]
            owner[y : y + height, x : x + width] = tile
        defects, _ = label(truth, corners)
        confidence, value = np.zeros(shape), probability[owner] * (heat / 255)
        for tile in range(len(windows)):
            parts, count = label((heat > 120) & (owner == tile), corners)
            for part in range(1, count + 1):
                confidence[parts == part] = value[parts == part].max()
        found = {step[0]: step[1:] for step in steps(heat, truth, probability, windows, 120, min_region_px=3)}
        last = [0, 0]
        for threshold in np.unique(confidence[confidence > 0])[::-1]:
            regions, count = label(confidence >= threshold, corners)
            large = [number for number in range(1, count + 1) if (regions == number).sum() >= 3]
            hit = [defects.flat[np.where(regions == number, value, -1.0).argmax()] for number in large]
            last = found.pop(threshold, last)
            assert last == [hit.count(0), len(set(hit) - {0})]
        assert not found


def test_the_nearest_defect_within_the_tolerance():
    truth = np.zeros((9, 9), bool)
    truth[0, 0] = truth[0, 8] = truth[1, 7] = True  # two defects: the second is joined at a corner
    known = Defects(truth)
    assert known.count == 2
    assert known.near([0, 0, 0, 4, 2], [0, 2, 5, 4, 7], 2.0).tolist() == [0, 0, NONE, NONE, 1]
    assert Defects(np.zeros((3, 3), bool)).near([1], [1], 9.0).tolist() == [NONE]
