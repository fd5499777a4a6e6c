"""Traces between pads: shortest paths on a grid in steps of 45 degrees that keep their clearance."""

import heapq
from collections.abc import Iterable

import cv2
import numpy as np

from stages.boards.parts import Pad, Point, Trace
from stages.boards.style import Style

COARSE = 4  # the obstacle map has one cell for 4 x 4 pixels: far finer than a clearance
EDGE_PX = 12  # copper keeps this far from the edge of the board
BEND_COST = 0.6  # in grid steps, so that straight runs win
STEPS = tuple((dx, dy, float(np.hypot(dx, dy))) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy)
Node = tuple[int, int]


class Router:
    """Obstacles of one board and the search for free paths between them.

    Args:
        style: of the design.
        width: of the board, in pixels.
        height: of the board, in pixels.
    """

    def __init__(self, style: Style, width: int, height: int) -> None:
        self.style = style
        self.columns, self.rows = width // style.grid_px + 1, height // style.grid_px + 1
        self.copper = np.zeros((height // COARSE + 1, width // COARSE + 1), np.uint8)

    def add(self, item: Pad | Trace) -> None:
        """Make a pad or a trace an obstacle."""
        _draw(self.copper, item, 255)

    def route(self, start: Point, goal: Point, width: int, joined: Iterable[Pad | Trace]) -> Trace | None:
        """Return a trace that keeps the clearance to all copper but what it joins, None if there is none.

        Args:
            start: where it begins.
            goal: where it ends.
            width: of the trace.
            joined: the copper that it may touch.
        """
        grid = self.style.grid_px
        obstacles = self.copper.copy()
        for item in joined:
            _draw(obstacles, item, 0)
        distance = cv2.distanceTransform(255 - obstacles, cv2.DIST_L2, 3)
        xs = np.minimum(np.arange(self.columns) * grid // COARSE, distance.shape[1] - 1)
        ys = np.minimum(np.arange(self.rows) * grid // COARSE, distance.shape[0] - 1)
        free = distance[np.ix_(ys, xs)] >= (width / 2 + self.style.clearance_px) / COARSE
        border = -(-(width // 2 + EDGE_PX) // grid)
        free[:border] = free[:, :border] = False
        free[-border - 1 :] = free[:, -border - 1 :] = False
        first, last = ((round(x / grid), round(y / grid)) for x, y in (start, goal))
        nodes = _search(free, first, last)
        return Trace(tuple((x * grid, y * grid) for x, y in _corners(nodes)), width) if nodes else None

    def clear(self, point: Point, radius: float) -> bool:
        """Return whether a disc around a point keeps the clearance to all copper."""
        patch = np.zeros_like(self.copper)
        size = int((radius + self.style.clearance_px) / COARSE) + 1
        cv2.circle(patch, (int(point[0] / COARSE), int(point[1] / COARSE)), size, 1, -1)
        return not bool(self.copper[patch > 0].any())


def _search(free: np.ndarray, start: Node, goal: Node) -> list[Node] | None:
    """A* with the octile distance; a change of direction costs extra."""
    rows, columns = free.shape
    passable = free.tolist()
    best, parent = {start: 0.0}, {start: start}
    queue = [(0.0, start)]
    closed: set[Node] = set()
    while queue:
        _, node = heapq.heappop(queue)
        if node == goal:
            break
        if node in closed:
            continue
        closed.add(node)
        x, y = node
        before = parent[node]
        heading = (x - before[0], y - before[1])
        for dx, dy, length in STEPS:
            u, v = following = (x + dx, y + dy)
            if not (0 <= u < columns and 0 <= v < rows) or not (passable[v][u] or following == goal):
                continue
            if heading[0] * dx + heading[1] * dy < 0:
                continue  # sharper than 90 degrees
            cost = best[node] + length + (BEND_COST if heading not in ((0, 0), (dx, dy)) else 0.0)
            if cost < best.get(following, np.inf):
                best[following], parent[following] = cost, node
                a, b = abs(u - goal[0]), abs(v - goal[1])
                heapq.heappush(queue, (cost + max(a, b) + 0.41421356 * min(a, b), following))
    if goal not in parent or goal == start:
        return None
    path = [goal]
    while path[-1] != start:
        path.append(parent[path[-1]])
    return path[::-1]


def _corners(nodes: list[Node]) -> list[Node]:
    """Drop the nodes inside straight runs."""
    steps = np.diff(nodes, axis=0)
    turns = np.flatnonzero((steps[1:] != steps[:-1]).any(axis=1)) + 1
    return [nodes[0], *(nodes[turn] for turn in turns), nodes[-1]]


def _draw(raster: np.ndarray, item: Pad | Trace, value: int) -> None:
    """Draw a pad by its box, or a trace, on the obstacle map."""
    if isinstance(item, Trace):
        points = np.round(np.array(item.points) / COARSE).astype(np.int32)
        cv2.polylines(raster, [points], False, value, max(1, round(item.width / COARSE)))
        return
    low = int((item.x - item.width / 2) / COARSE), int((item.y - item.height / 2) / COARSE)
    high = int((item.x + item.width / 2) / COARSE), int((item.y + item.height / 2) / COARSE)
    cv2.rectangle(raster, low, high, value, -1)
