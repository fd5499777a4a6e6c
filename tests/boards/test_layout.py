"""Designs: the same for the same seed, different for another, inside the board, traces clear of each other."""

import cv2
import numpy as np

from stages.boards.layers import EDGE_PX, SCALE, coverage
from stages.boards.layout import draw_design
from stages.boards.parts import Pad, Trace
from stages.boards.routing import Router
from stages.boards.style import MASKS, draw_style


def test_a_design_depends_on_seed_and_number_only():
    first, again = draw_design(3, 1, 448, 448), draw_design(3, 1, 448, 448)
    assert first == again
    assert first != draw_design(4, 1, 448, 448)
    assert first != draw_design(3, 2, 448, 448)


def test_as_many_designs_as_mask_colours_share_none():
    colours = {draw_style(0, number).copper for number in range(len(MASKS))}
    assert len(colours) == len(MASKS)


def test_copper_keeps_off_the_edge_of_the_board(board):
    _, layers = board
    inside = np.zeros(layers.copper.shape, bool)
    edge = (EDGE_PX - 1) * SCALE
    inside[edge:-edge, edge:-edge] = True
    assert layers.copper[inside].any()
    assert not layers.copper[~inside].any()


def test_holes_carry_no_copper_and_sit_in_a_ring_of_it(board):
    _, layers = board
    assert not (layers.copper & layers.hole).any()
    around = cv2.dilate(layers.hole, np.ones((5, 5), np.uint8)) & ~layers.hole
    assert (layers.copper[around > 0] > 0).all()


def test_layers_are_binary(board):
    _, layers = board
    for raster in (layers.copper, layers.opening, layers.hole, layers.drill, layers.silk):
        assert set(np.unique(raster)) <= {0, 255}


def test_coverage_is_the_fraction_of_the_samples():
    raster = np.zeros((2 * SCALE, SCALE), np.uint8)
    raster[0, 0] = 255  # one of the four samples of the first pixel
    np.testing.assert_allclose(coverage(raster), [[1 / SCALE**2], [0]], atol=0.5 / 255)


def test_a_route_goes_round_what_is_not_its_own():
    style = draw_style(0, 0)
    grid = style.grid_px
    router = Router(style, 30 * grid, 20 * grid)
    start, goal = Pad(5 * grid, 10 * grid, "round", 30, 30), Pad(25 * grid, 10 * grid, "round", 30, 30)
    wall = Trace(((15 * grid, 5 * grid), (15 * grid, 15 * grid)), 16)
    for pad in (start, goal):
        router.add(pad)
    straight = router.route((start.x, start.y), (goal.x, goal.y), 14, (start, goal))
    assert straight is not None
    assert straight.points == ((5 * grid, 10 * grid), (25 * grid, 10 * grid))
    router.add(wall)
    around = router.route((start.x, start.y), (goal.x, goal.y), 14, (start, goal))
    assert around is not None
    ys = [y for _, y in around.points]
    assert min(ys) < 5 * grid or max(ys) > 15 * grid
    steps = np.abs(np.diff(around.points, axis=0))
    assert all(dx == 0 or dy == 0 or dx == dy for dx, dy in steps)  # 0, 45 or 90 degrees


def test_an_enclosed_pad_has_no_route():
    style = draw_style(0, 0)
    grid = style.grid_px
    router = Router(style, 30 * grid, 20 * grid)
    start, goal = Pad(5 * grid, 10 * grid, "round", 30, 30), Pad(20 * grid, 10 * grid, "round", 30, 30)
    a, b, c, d = ((x * grid, y * grid) for x, y in ((15, 5), (25, 5), (25, 15), (15, 15)))
    router.add(Trace((a, b, c, d, a), 16))
    assert router.route((start.x, start.y), (goal.x, goal.y), 14, (start, goal)) is None
