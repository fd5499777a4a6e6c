"""Defects: each kind changes the board as its name says, its mask is what changed, and its box holds it."""

import cv2
import numpy as np
import pytest

from stages.boards.defects import APART_PX, BORDER_PX, KINDS, changed_mask, paint_defects
from stages.boards.layers import SCALE

COUNT = 2
COMPONENTS_PER_DEFECT = {"open_circuit": 1, "short": -1, "spurious_copper": 1}


def components(raster: np.ndarray) -> int:
    return cv2.connectedComponents(raster)[0] - 1


@pytest.fixture(scope="module", params=KINDS)
def painted(request, board):
    design, clean = board
    layers, defects = paint_defects(clean, design, request.param, COUNT, np.random.default_rng(5))
    return request.param, design, clean, layers, defects


def test_as_many_defects_as_asked_for(painted):
    kind, _, _, _, defects = painted
    assert [defect.kind for defect in defects] == [kind] * COUNT


def test_topology_is_what_the_kind_says(painted):
    kind, _, clean, layers, defects = painted
    gained = components(layers.copper) - components(clean.copper)
    assert gained == COMPONENTS_PER_DEFECT.get(kind, 0) * len(defects)
    lost_holes = components(clean.hole) - components(layers.hole)
    assert lost_holes == (len(defects) if kind == "missing_hole" else 0)


def test_copper_is_only_added_or_only_removed(painted):
    kind, _, clean, layers, _ = painted
    added, removed = layers.copper & ~clean.copper, clean.copper & ~layers.copper
    assert bool(added.any()) == (kind in {"short", "spur", "spurious_copper"}) or kind == "missing_hole"
    assert bool(removed.any()) == (kind in {"open_circuit", "mouse_bite"})


def test_silk_screen_and_mounting_holes_are_untouched(painted):
    _, _, clean, layers, _ = painted
    assert np.array_equal(clean.silk, layers.silk)
    assert np.array_equal(clean.drill, layers.drill)
    if painted[0] != "missing_hole":
        assert np.array_equal(clean.opening, layers.opening)
        assert np.array_equal(clean.hole, layers.hole)


def test_mask_is_where_at_least_half_of_a_pixel_changed(painted):
    _, design, clean, layers, _ = painted
    changed = (clean.copper != layers.copper) | (clean.hole != layers.hole)
    samples = changed.reshape(design.height, SCALE, design.width, SCALE).sum((1, 3))
    expected = np.where(samples * 2 >= SCALE**2, 255, 0)
    np.testing.assert_array_equal(changed_mask(clean, layers), expected)


def test_boxes_hold_the_mask_with_a_margin_and_nothing_else_is_masked(painted):
    _, design, clean, layers, defects = painted
    rest = changed_mask(clean, layers)
    for defect in defects:
        x0, y0, x1, y1 = defect.box
        assert 0 <= x0 < x1 <= design.width
        assert 0 <= y0 < y1 <= design.height
        assert np.count_nonzero(rest[y0:y1, x0:x1]) >= 50
        assert not rest[y0:y1, [x0, x1 - 1]].any()
        assert not rest[[y0, y1 - 1], x0:x1].any()
        rest[y0:y1, x0:x1] = 0
    assert not rest.any()


def test_defects_keep_away_from_each_other_and_from_the_border(painted):
    _, design, clean, layers, defects = painted
    ys, xs = np.nonzero(changed_mask(clean, layers))
    assert min(xs.min(), ys.min()) >= BORDER_PX - 2
    assert xs.max() < design.width - BORDER_PX + 2
    assert ys.max() < design.height - BORDER_PX + 2
    (a0, b0, a1, b1), (c0, d0, c1, d1) = (defect.box for defect in defects)
    assert max(c0 - a1, a0 - c1, d0 - b1, b0 - d1) >= APART_PX


def test_a_full_board_gets_fewer_and_clean_layers_stay_clean(board):
    design, clean = board
    before = clean.copy()
    _, defects = paint_defects(clean, design, "missing_hole", 1000, np.random.default_rng(0))
    plated = sum(pad.hole > 0 for pad in design.pads)
    assert 0 < len(defects) <= plated
    assert np.array_equal(before.copper, clean.copper)
    assert np.array_equal(before.hole, clean.hole)
