"""Regions of a heatmap: exact outlines and areas, held against connected components."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.inspection import regions
from stages.inspection.regions import find_regions, outline
from stages.inspection.tiles import Look
from stages.tiling.windows import Window


def look(height: int, width: int, *probability: float) -> Look:
    """Tiles side by side, which split the width equally."""
    each = width // len(probability)
    places = [Window(each * number, 0, each, height) for number in range(len(probability))]
    maps = np.zeros((len(places), 1, 1), np.float32)
    return Look(places, np.array(probability, np.float32), maps, np.ones(len(places), np.intp), {})


def area(corners: list[tuple[int, int]]) -> float:
    """Shoelace formula."""
    x, y = np.array(corners).T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def test_a_region_by_hand():
    heat = np.zeros((6, 10), np.uint8)
    heat[1:4, 6:8] = [[200, 210], [130, 255], [128, 127]]
    (found,) = find_regions(heat, look(6, 10, 0.9, 0.7), 127, ("good", "defective"), 1)
    assert (found.x, found.y, found.width, found.height) == (6, 1, 2, 3)
    assert (found.area_px, found.peak, found.peak_x, found.peak_y) == (5, 1.0, 7, 2)
    assert found.score == pytest.approx(0.7) and found.kind == "defective"
    assert set(found.polygon) == {(6, 1), (8, 1), (8, 3), (7, 3), (7, 4), (6, 4)} and area(found.polygon) == 5


def test_a_region_in_the_hole_of_another_is_its_own():
    heat = np.zeros((9, 9), np.uint8)
    heat[1:8, 1:8] = 200
    heat[2:7, 2:7] = 0
    heat[4, 4] = 250
    ring, dot = find_regions(heat, look(9, 9, 0.9), 127, ("good", "defective"), 1)
    assert (ring.area_px, ring.peak, area(ring.polygon)) == (24, 200 / 255, 49)
    assert (dot.area_px, dot.peak, dot.polygon) == (1, 250 / 255, [(4, 4), (4, 5), (5, 5), (5, 4)])
    assert len(find_regions(heat, look(9, 9, 0.9), 127, ("good", "defective"), 2)) == 1


def test_the_surest_tile_that_covers_the_peak_gives_the_score():
    heat = np.zeros((4, 8), np.uint8)
    heat[1, 1:7] = [130, 130, 130, 130, 140, 130]
    places = [Window(0, 0, 6, 4), Window(2, 0, 6, 4)]
    seen = Look(places, np.array([0.6, 0.8], np.float32), np.zeros((2, 1, 1)), np.array([1, 2]), {})
    (found,) = find_regions(heat, seen, 127, ("good", "scratch", "hole"), 1)
    assert found.score == pytest.approx(0.8) and found.kind == "hole"


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_regions_are_the_connected_components(seed, share):
    heat = (np.random.default_rng(seed).random((13, 17)) < share).astype(np.uint8) * 255
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "EXACT_CORNERS", heat.size)
        found = find_regions(heat, look(13, 17, 0.5), 127, ("good", "defective"), 1)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(heat, connectivity=8)
    assert sorted(each.area_px for each in found) == sorted(statistics[1:, cv2.CC_STAT_AREA].tolist())
    boxes = statistics[1:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    assert sorted((each.x, each.y, each.width, each.height) for each in found) == sorted(map(tuple, boxes.tolist()))
    for each in found:
        mask = (labels == labels[each.peak_y, each.peak_x]).astype(np.uint8)
        filled = np.zeros_like(mask)
        outer, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(filled, outer, 0, 1, cv2.FILLED)
        assert area(each.polygon) == filled.sum()


def test_a_long_outline_is_simplified_by_a_pixel_at_most():
    y, x = np.mgrid[:200, :200]
    inside = ((y - 100) ** 2 + (x - 100) ** 2 < 95**2).astype(np.uint8)
    corners = outline(inside)
    assert len(corners) < 100, "of 436"
    radii = np.array([np.hypot(x - 100.5, y - 100.5) for x, y in corners])
    assert (abs(radii - 95) < 1.5).all() and abs(area(corners) / inside.sum() - 1) < 0.02


def test_the_outline_of_a_large_region_is_traced_in_steps_and_goes_around_it(monkeypatch):
    monkeypatch.setattr(regions, "TRACED_PIXELS", 30)
    inside = np.ones((10, 11), np.uint8)
    inside[:7, :9] = 0
    corners = outline(inside)
    assert min(x for x, _ in corners) == 0 and max(x for x, _ in corners) == 11 and max(y for _, y in corners) == 10
    assert area(corners) >= inside.sum()


def test_black_has_none():
    assert find_regions(np.zeros((4, 4), np.uint8), look(4, 4, 0.9), 127, ("good", "defective"), 1) == []
