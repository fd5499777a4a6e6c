"""Outlines of defects in pixels of the final image: irregular, as etching and scratches leave them."""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.boards.layers import SCALE
from stages.boards.layout import Design
from stages.boards.parts import Pad

CLEAR_PX = 3  # least distance of a spur or spurious copper to copper it must not touch
LONGEST_SHORT_PX = 64


@dataclass(frozen=True)
class _Site:
    """A point on the centre line of a trace, the direction of the trace there and its width."""

    point: np.ndarray  # (2,) x, y
    along: np.ndarray  # (2,) unit vector
    across: np.ndarray  # (2,) unit vector, to the side a defect is on
    width: float


def draw_hole(design: Design, rng: np.random.Generator) -> tuple[Pad, np.ndarray] | None:
    """Draw a hole that might be missing.

    Args:
        design: what is on the board.
        rng: source of chance.

    Returns:
        Its pad, and the outline of what changes without it, (48, 2) corners x, y in pixels: the hole, and nothing of
        its ring but a hair. None where no pad has a hole.
    """
    plated = [pad for pad in design.pads if pad.hole]
    if not plated:
        return None
    pad = plated[int(rng.integers(len(plated)))]
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return pad, pad.centre + (pad.hole / 2 + 0.75) * np.stack([np.cos(angles), np.sin(angles)], 1)


def draw_outline(kind: str, copper: np.ndarray, design: Design, rng: np.random.Generator) -> np.ndarray | None:
    """Draw where a defect might be, and its outline.

    Args:
        kind: open_circuit, mouse_bite, spur, short or spurious_copper.
        copper: the board's copper with the defects that it has already, (SCALE * height, SCALE * width) uint8.
        design: what is on the board.
        rng: source of chance.

    Returns:
        (n, 2) corners x, y in pixels; None where the place does not suit or the board has no trace.
    """
    site = _draw_site(design, rng)
    if site is None:
        return None
    if kind == "short":
        return _bridge(copper, design, rng)
    if kind == "spurious_copper":
        return _island(copper, rng)
    return {"open_circuit": _gap, "mouse_bite": _bite, "spur": _bump}[kind](site, rng)


def _draw_site(design: Design, rng: np.random.Generator) -> _Site | None:
    """Draw a point on a straight run of a trace, uniform over the length of all runs; None when there is no trace."""
    runs = [
        (np.array(a, float), np.array(b, float), trace.width)
        for trace in design.traces
        for a, b in zip(trace.points, trace.points[1:], strict=False)
    ]
    lengths = np.array([np.hypot(*(b - a)) for a, b, _ in runs])
    if not lengths.sum() > 0:
        return None
    start, end, width = runs[int(rng.choice(len(runs), p=lengths / lengths.sum()))]
    along = (end - start) / np.hypot(*(end - start))
    across = np.array([-along[1], along[0]]) * rng.choice([-1.0, 1.0])
    return _Site(start + rng.uniform(0.08, 0.92) * (end - start), along, across, float(width))


def _gap(site: _Site, rng: np.random.Generator) -> np.ndarray:
    """Return an open circuit: a narrow, slightly oblique gap across the whole trace."""
    width = rng.uniform(10, 18)
    reach = site.width / 2 + rng.uniform(2, 4)
    return _strip(site.point, site.across, site.along, reach, reach, width, rng.normal(0, 0.18), rng)


def _bite(site: _Site, rng: np.random.Generator) -> np.ndarray:
    """Return a mouse bite: a blob on the edge of the trace that leaves at least a quarter of its width."""
    depth = float(np.clip(rng.uniform(0.5, 0.75) * site.width, 9, site.width * 0.75))
    length = rng.uniform(max(16, depth), max(36, depth * 2.2))
    rise = rng.uniform(3, 7)  # part of the blob outside of the trace
    centre = site.point + site.across * (site.width / 2 - (depth - rise) / 2)
    return _blob(centre, site.along * length, site.across * (depth + rise) / 2, 0.12, rng)


def _bump(site: _Site, rng: np.random.Generator) -> np.ndarray:
    """Return a spur: a bump on the edge of the trace, pointed, blunt or a bead along the edge."""
    height = rng.uniform(12, 25)
    edge = site.point + site.across * site.width / 2
    style = rng.random()
    if style < 0.45:
        base, top = rng.uniform(16, 34), rng.uniform(0.2, 0.7)
        lean = rng.uniform(-0.3, 0.3) * base
        blunt = height * rng.uniform(0.6, 1)
        outline = ((-base, -4), (-base * top + lean, height), (base * top + lean, blunt), (base, -4))
        return _roughen(np.array([edge + u * site.along + v * site.across for u, v in outline]), 1.0, rng)
    if style < 0.75:
        return _blob(edge, site.along * rng.uniform(14, 30), site.across * height, 0.1, rng)
    half = rng.uniform(18, 40)
    centre = edge + site.across * height * 0.3
    return _strip(centre, site.along, site.across, half, half, height, rng.normal(0, 0.05), rng)


def _bridge(copper: np.ndarray, design: Design, rng: np.random.Generator) -> np.ndarray | None:
    """Return a short: a thin strip across the widest gap at a few random sites.

    The widest, because clearances to a pour are many and narrow, and hardly visible.
    """
    sites = [site for site in (_draw_site(design, rng) for _ in range(4)) if site is not None]
    gaps = [(length, site) for site in sites if 8 <= (length := _free_px(copper, site)) <= LONGEST_SHORT_PX]
    if not gaps:
        return None
    length, site = max(gaps, key=lambda pair: pair[0])
    edge = site.point + site.across * site.width / 2
    width = rng.uniform(11, min(24, max(14.0, length * 0.75)))
    return _strip(edge, site.across, site.along, 4, length + 4, width, rng.normal(0, 0.12), rng)


def _free_px(copper: np.ndarray, site: _Site) -> float:
    """Return the length from the edge of the trace, across it, to the next copper or the image's border."""
    steps = np.arange(1.0, 120.0)
    points = site.point + site.across * (site.width / 2 + 1 + steps[:, None])
    x, y = (points * SCALE).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < copper.shape[1]) & (y < copper.shape[0])
    hit = ~inside
    hit[inside] = copper[y[inside], x[inside]] > 0
    return float(steps[hit.argmax()]) if hit.any() else 120.0


def _island(copper: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return spurious copper: a strip or blob midway in a random gap, along the edges of the gap."""
    reach = 40
    x, y = (int(rng.integers(reach, side // SCALE - reach)) for side in copper.shape[::-1])
    near = copper[(y - reach) * SCALE : (y + reach) * SCALE : SCALE, (x - reach) * SCALE : (x + reach) * SCALE : SCALE]
    distance = cv2.distanceTransform(255 - near, cv2.DIST_L2, 5)
    centre = distance[reach - 10 : reach + 11, reach - 10 : reach + 11]
    dy, dx = np.unravel_index(int(centre.argmax()), centre.shape)
    room = float(centre[dy, dx])
    if not CLEAR_PX + 3 <= room <= reach:
        return None  # no gap here, or nothing but empty board
    ys, xs = np.nonzero(near)
    row, column = dy + reach - 10, dx + reach - 10
    nearest = int(((ys - row) ** 2 + (xs - column) ** 2).argmin())
    across = np.array([xs[nearest] - column, ys[nearest] - row]) / room
    across = across / np.hypot(*across)
    along = np.array([-across[1], across[0]])
    point = np.array([x - reach + column, y - reach + row], float)
    free = room - CLEAR_PX  # on both sides of the point
    if rng.random() < 0.6 or free < 7.5:
        half, width = rng.uniform(16, 44), rng.uniform(8, float(np.clip(2 * free, 9, 24)))
        return _strip(point, along, across, half, half, width, rng.normal(0, 0.04), rng)
    size = rng.uniform(7.5, float(np.clip(free, 9, 20)))
    return _blob(point, along * size * rng.uniform(1.1, 2.4), across * size, 0.1, rng)


def _strip(
    origin: np.ndarray,
    axis: np.ndarray,
    side: np.ndarray,
    back: float,
    ahead: float,
    width: float,
    slant: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """A strip along `axis` from -back to +ahead, `width` wide, slanted towards `side`, with blunt round ends."""
    half = width / 2
    outline = []
    for end, sign in ((ahead, 1.0), (-back, -1.0)):
        for t in (-0.9, -0.45, 0.0, 0.45, 0.9):
            outline.append((end - sign * half * (1 - np.sqrt(1 - t * t)) * 0.7, sign * t * half))
    points = np.array([origin + u * axis + (v + slant * u) * side for u, v in outline])
    return _roughen(points, 0.6, rng)


def _blob(
    centre: np.ndarray, major: np.ndarray, minor: np.ndarray, rough: float, rng: np.random.Generator
) -> np.ndarray:
    """An ellipse with half axes `major` and `minor` whose radius varies smoothly by about the fraction `rough`."""
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    radius = np.ones_like(angles)
    for order in (2, 3, 5, 8):
        radius += rng.normal(0, rough / np.sqrt(order - 1)) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.6, 1.4)[:, None]
    return centre + radius * (np.cos(angles)[:, None] * major + np.sin(angles)[:, None] * minor)


def _roughen(points: np.ndarray, amplitude: float, rng: np.random.Generator) -> np.ndarray:
    """Insert points along the sides of a polygon and shift all of them by about `amplitude` pixels."""
    share = np.linspace(0, 1, 4, endpoint=False)[None, :, None]
    dense = points[:, None] * (1 - share) + np.roll(points, -1, axis=0)[:, None] * share
    dense = dense.reshape(-1, 2)
    return dense + rng.normal(0, amplitude, dense.shape)
