"""The six defect kinds, painted by editing the copper and hole layers before anything is rendered.

A proposal is kept only if the board then is what the kind says: an open circuit adds a copper component, a short
removes one, spurious copper adds one, mouse bite and spur change none, a missing hole removes a hole.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.boards import shapes
from stages.boards.layers import SCALE, Layers, fill
from stages.boards.layout import Design
from stages.boards.parts import Pad

KINDS = {  # kind: folder, as HRIPCB names them
    "missing_hole": "Missing_hole",
    "mouse_bite": "Mouse_bite",
    "open_circuit": "Open_circuit",
    "short": "Short",
    "spur": "Spur",
    "spurious_copper": "Spurious_copper",
}
COMPONENTS = {"missing_hole": 0, "mouse_bite": 0, "open_circuit": 1, "short": -1, "spur": 0, "spurious_copper": 1}
ADDS_COPPER = {"short", "spur", "spurious_copper"}
BORDER_PX = 18  # no defect nearer to the border of the image
APART_PX = 20  # least distance between the boxes of two defects
CLEAR_PX = 3  # least distance of a spur or spurious copper to copper it must not touch
ATTEMPTS = 600  # proposals for one defect before the board counts as full
LONGEST_SHORT_PX = 64

Bounds = tuple[int, int, int, int]


@dataclass(frozen=True)
class Defect:
    """A painted defect. `bounds` of what changed and annotated `box`: x_min, y_min, x_max, y_max, half-open."""

    kind: str
    bounds: Bounds
    box: Bounds


@dataclass(frozen=True)
class _Patch:
    """A window of the layers and the samples in it that a proposal covers."""

    window: tuple[slice, slice]
    inside: np.ndarray


def paint_defects(
    clean: Layers, design: Design, kind: str, count: int, rng: np.random.Generator
) -> tuple[Layers, list[Defect]]:
    """Return layers with up to `count` defects of one kind, fewer where the board has no room, and the defects."""
    layers, defects = clean.copy(), list[Defect]()
    components = _components(layers.copper)
    for _ in range(count):
        for _ in range(ATTEMPTS):
            done = _try_one(layers, design, kind, components, defects, rng)
            if done is not None:
                defects.append(done)
                components = _components(layers.copper)
                break
        else:
            break
    return layers, defects


def changed_mask(clean: Layers, painted: Layers) -> np.ndarray:
    """Return uint8 (height, width), 255 where at least half of a pixel's copper or hole differs, else 0."""
    changed = (clean.copper ^ painted.copper) | (clean.hole ^ painted.hole)
    size = (changed.shape[1] // SCALE, changed.shape[0] // SCALE)
    share = cv2.resize(changed, size, interpolation=cv2.INTER_AREA)
    return np.where(share >= 127, 255, 0).astype(np.uint8)


def _components(copper: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of copper components and their labels, per pixel of the final image that has any copper: fast."""
    size = (copper.shape[1] // SCALE, copper.shape[0] // SCALE)
    count, labels = cv2.connectedComponents(cv2.resize(copper, size, interpolation=cv2.INTER_AREA))
    return count - 1, labels


def _try_one(
    layers: Layers,
    design: Design,
    kind: str,
    components: tuple[int, np.ndarray],
    others: list[Defect],
    rng: np.random.Generator,
) -> Defect | None:
    pad = shapes.draw_hole(design, rng) if kind == "missing_hole" else None
    outline = shapes.disc(pad) if pad else _outline(layers, design, kind, rng)
    if outline is None or not _within(outline, design):
        return None
    patch = _rasterise(outline, layers.copper.shape)
    before = {name: getattr(layers, name)[patch.window].copy() for name in ("copper", "opening", "hole")}
    if pad is not None:
        if not (layers.hole[patch.window] & patch.inside).any():
            return None  # already missing
        _plug(layers, patch, solid=not design.style.soldered and rng.random() < 0.25)
    elif not _edit(layers, kind, patch, components[1]):
        return None
    changed = (before["copper"] ^ layers.copper[patch.window]) | (before["hole"] ^ layers.hole[patch.window])
    bounds = _bounds(changed, patch)
    if bounds is not None:
        box = _box(kind, bounds, pad, design, rng)
        good = all(not _near(box, other.box) for other in others) and _no_slivers(layers.copper[patch.window])
        if good and _components(layers.copper)[0] == components[0] + COMPONENTS[kind]:
            return Defect(kind, bounds, box)
    for name, content in before.items():
        getattr(layers, name)[patch.window] = content
    return None


def _outline(layers: Layers, design: Design, kind: str, rng: np.random.Generator) -> np.ndarray | None:
    site = shapes.draw_site(design, rng)
    if site is None:
        return None
    if kind == "short":
        return _bridge(layers, design, rng)
    if kind == "open_circuit":
        return shapes.gap(site, rng)
    if kind == "mouse_bite":
        return shapes.bite(site, rng)
    if kind == "spur":
        return shapes.bump(site, rng)
    return _island(layers.copper, rng)


def _bridge(layers: Layers, design: Design, rng: np.random.Generator) -> np.ndarray | None:
    """Bridge the widest gap at a few random sites: clearances to a pour are many and narrow, and hardly visible."""
    sites = [site for site in (shapes.draw_site(design, rng) for _ in range(4)) if site is not None]
    rooms = [(room, site) for site in sites if 8 <= (room := _room(layers.copper, site)) <= LONGEST_SHORT_PX]
    if not rooms:
        return None
    room, site = max(rooms, key=lambda pair: pair[0])
    return shapes.bridge(site, room, rng)


def _island(copper: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Put copper midway in a random gap, along the edges of the gap."""
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
    point = np.array([x - reach + column, y - reach + row], float)
    return shapes.island(shapes.Site(point, np.array([-across[1], across[0]]), across, 0.0), room - CLEAR_PX, rng)


def _room(copper: np.ndarray, site: shapes.Site) -> float:
    """Length in pixels from the edge of the trace, across it, to the next copper or the image's border."""
    steps = np.arange(1.0, 120.0)
    points = site.point + site.across * (site.width / 2 + 1 + steps[:, None])
    x, y = (points * SCALE).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < copper.shape[1]) & (y < copper.shape[0])
    hit = ~inside
    hit[inside] = copper[y[inside], x[inside]] > 0
    return float(steps[hit.argmax()]) if hit.any() else 120.0


def _rasterise(outline: np.ndarray, shape: tuple[int, ...]) -> _Patch:
    pad = CLEAR_PX + 4
    low = SCALE * np.maximum(np.floor(outline.min(0)).astype(int) - pad, 0)
    high = np.minimum(SCALE * (np.ceil(outline.max(0)).astype(int) + pad), [shape[1], shape[0]])
    inside = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    fill(inside, outline - low / SCALE, 255)
    return _Patch((slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))), inside)


def _plug(layers: Layers, patch: _Patch, solid: bool) -> None:
    """Undo a plated hole: pass over it with solder mask, or with plated copper where `solid`."""
    gone = layers.hole[patch.window] & patch.inside
    layers.hole[patch.window] &= ~gone
    if solid:
        layers.copper[patch.window] |= gone
    else:
        layers.opening[patch.window] &= ~patch.inside


def _edit(layers: Layers, kind: str, patch: _Patch, labels: np.ndarray) -> bool:
    """Add or remove the copper under the outline; refuse where it would touch what it must not."""
    near = cv2.dilate(patch.inside, np.ones((2 * CLEAR_PX * SCALE + 1,) * 2, np.uint8)) > 0
    if any(raster[patch.window][near].any() for raster in (layers.opening, layers.hole, layers.drill)):
        return False
    if np.count_nonzero(layers.silk[patch.window] & patch.inside) > 0.08 * np.count_nonzero(patch.inside):
        return False
    window = tuple(slice(side.start // SCALE, side.stop // SCALE) for side in patch.window)
    local = np.repeat(np.repeat(labels[window], SCALE, 0), SCALE, 1)
    touched = set(np.unique(local[near])) - {0}
    if len(touched) != {"short": 2, "spurious_copper": 0}.get(kind, 1):
        return False
    copper = layers.copper[patch.window]
    if kind in ADDS_COPPER:
        copper |= patch.inside
    else:
        copper &= ~patch.inside
    return True


def _no_slivers(copper: np.ndarray) -> bool:
    """Return whether the samples have as many components as the pixels: nothing is held by less than a pixel."""
    return cv2.connectedComponents(np.ascontiguousarray(copper))[0] == _components(copper)[0] + 1


def _bounds(changed: np.ndarray, patch: _Patch) -> Bounds | None:
    """Bounds in pixels of what changed, None where that is too little to be seen."""
    if np.count_nonzero(changed) < 60 * SCALE**2:
        return None
    ys, xs = np.nonzero(changed)
    y, x = patch.window[0].start, patch.window[1].start
    low_x, low_y, high_x, high_y = xs.min() + x, ys.min() + y, xs.max() + x + 1, ys.max() + y + 1
    return int(low_x // SCALE), int(low_y // SCALE), int(-(-high_x // SCALE)), int(-(-high_y // SCALE))


def _box(kind: str, bounds: Bounds, pad: Pad | None, design: Design, rng: np.random.Generator) -> Bounds:
    """The annotator's box: around the defect with an uneven margin, around the whole pad for a missing hole."""
    left, top, right, bottom = bounds
    if pad is not None:
        left, top = min(left, round(pad.x - pad.width / 2)), min(top, round(pad.y - pad.height / 2))
        right, bottom = max(right, round(pad.x + pad.width / 2)), max(bottom, round(pad.y + pad.height / 2))
    low, high = {"missing_hole": (4, 14), "open_circuit": (10, 24), "short": (16, 34)}.get(kind, (14, 28))
    a, b, c, d = (int(value) for value in rng.integers(low, high + 1, 4))
    return max(left - a, 0), max(top - b, 0), min(right + c, design.width), min(bottom + d, design.height)


def _within(outline: np.ndarray, design: Design) -> bool:
    low, high = outline.min(0), outline.max(0)
    limits = np.array([design.width, design.height]) - BORDER_PX
    return bool((low >= BORDER_PX).all() and (high <= limits).all())


def _near(a: Bounds, b: Bounds) -> bool:
    g = APART_PX
    return a[0] < b[2] + g and b[0] < a[2] + g and a[1] < b[3] + g and b[1] < a[3] + g
