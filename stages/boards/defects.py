"""The six defect kinds, painted by editing the copper and hole layers before anything is rendered.

A proposal is kept only if the board then is what the kind says: an open circuit adds a copper component, a short
removes one, spurious copper adds one, mouse bite and spur change none, a missing hole removes a hole.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.boards.layers import SCALE, Layers, fill, shrunk
from stages.boards.layout import Design
from stages.boards.parts import Pad, overlap
from stages.boards.shapes import CLEAR_PX, draw_hole, draw_outline

BORDER_PX = 18  # no defect nearer to the border of the image
APART_PX = 20  # least distance between the boxes of two defects
ATTEMPTS = 600  # proposals for one defect before the board counts as full
LEAST_PX = 60  # area of a defect that can be seen

Bounds = tuple[int, int, int, int]


@dataclass(frozen=True)
class Kind:
    """What a kind of defect does to a board, and how it is annotated."""

    folder: str  # as HRIPCB names it
    adds: bool  # copper; False: removes it
    touches: int  # copper components at its outline
    components: int  # how many more copper components the board then has
    margin_px: tuple[int, int]  # of the annotator's box, least and most


KINDS = {
    "missing_hole": Kind("Missing_hole", False, 1, 0, (4, 14)),
    "mouse_bite": Kind("Mouse_bite", False, 1, 0, (14, 28)),
    "open_circuit": Kind("Open_circuit", False, 1, 1, (10, 24)),
    "short": Kind("Short", True, 2, -1, (16, 34)),
    "spur": Kind("Spur", True, 1, 0, (14, 28)),
    "spurious_copper": Kind("Spurious_copper", True, 0, 1, (14, 28)),
}


@dataclass(frozen=True)
class Defect:
    """A painted defect. `bounds` of what changed and annotated `box`: x_min, y_min, x_max, y_max, half-open."""

    kind: str
    bounds: Bounds
    box: Bounds


def paint_defects(
    clean: Layers, design: Design, kind: str, count: int, rng: np.random.Generator
) -> tuple[Layers, list[Defect]]:
    """Paint defects of one kind on a copy of a board.

    Args:
        clean: the board without defects.
        design: what is on it.
        kind: one of `KINDS`.
        count: how many.
        rng: source of chance.

    Returns:
        The layers, and the defects: fewer than `count` where the board has no room.
    """
    layers, defects = clean.copy(), list[Defect]()
    components = _components(layers.copper)
    for _ in range(count):
        for _ in range(ATTEMPTS):
            defect = _try_one(layers, design, kind, components, defects, rng)
            if defect is not None:
                defects.append(defect)
                components = _components(layers.copper)
                break
        else:
            break
    return layers, defects


def changed_mask(clean: Layers, painted: Layers) -> np.ndarray:
    """Return where the defects are.

    Args:
        clean: the board without defects.
        painted: the same board with them.

    Returns:
        (height, width) uint8, 255 where at least half of a pixel's copper or hole differs, else 0.
    """
    return np.where(shrunk(_changed(clean, painted)) >= 127, 255, 0).astype(np.uint8)


def _changed(clean: Layers, painted: Layers) -> np.ndarray:
    return (clean.copper ^ painted.copper) | (clean.hole ^ painted.hole)


def _components(copper: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of copper components and their labels, per pixel of the final image that has any copper: fast."""
    count, labels = cv2.connectedComponents(shrunk(copper))
    return count - 1, labels


def _try_one(
    layers: Layers,
    design: Design,
    kind: str,
    components: tuple[int, np.ndarray],
    others: list[Defect],
    rng: np.random.Generator,
) -> Defect | None:
    """Paint a defect at a random place and return it; None, and the layers as before, where it cannot be there."""
    if kind == "missing_hole":
        pad, outline = draw_hole(design, rng) or (None, None)
    else:
        pad, outline = None, draw_outline(kind, layers.copper, design, rng)
    if outline is None or not _within(outline, design):
        return None
    low = np.maximum(np.floor(outline.min(0)).astype(int) - CLEAR_PX - 4, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + CLEAR_PX + 4, [design.width, design.height])
    part = layers.crop(low[0], low[1], high[0], high[1])  # views: what changes here changes on the board
    before = part.copy()
    inside = np.zeros(part.copper.shape, np.uint8)
    fill(inside, outline - low)
    if pad:
        if not (part.hole & inside).any():
            return None  # already missing
        _plug(part, inside, solid=not design.style.soldered and rng.random() < 0.25)
    elif not _edit(part, inside, KINDS[kind], components[1][low[1] : high[1], low[0] : high[0]]):
        return None
    changed = _changed(before, part)
    if np.count_nonzero(changed) >= LEAST_PX * SCALE**2:
        y, x = (samples // SCALE + start for samples, start in zip(np.nonzero(changed), low[::-1], strict=True))
        bounds = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
        box = _box(kind, bounds, pad, design, rng)
        good = all(not _near(box, other.box) for other in others) and _no_slivers(part.copper)
        if good and _components(layers.copper)[0] == components[0] + KINDS[kind].components:
            return Defect(kind, bounds, box)
    for raster, content in ((part.copper, before.copper), (part.opening, before.opening), (part.hole, before.hole)):
        raster[:] = content
    return None


def _plug(part: Layers, inside: np.ndarray, solid: bool) -> None:
    """Undo a plated hole: pass over it with solder mask, or with plated copper where `solid`."""
    copper, opening, hole = part.copper, part.opening, part.hole
    gone = hole & inside
    hole &= ~gone
    if solid:
        copper |= gone
    else:
        opening &= ~inside


def _edit(part: Layers, inside: np.ndarray, kind: Kind, labels: np.ndarray) -> bool:
    """Add or remove the copper under the outline; refuse where it would touch what it must not.

    Args:
        labels: component of each pixel, of the window of `part`.
    """
    near = cv2.dilate(inside, np.ones((2 * CLEAR_PX * SCALE + 1,) * 2, np.uint8)) > 0
    if any(raster[near].any() for raster in (part.opening, part.hole, part.drill)):
        return False
    if np.count_nonzero(part.silk & inside) > 0.08 * np.count_nonzero(inside):
        return False
    touched = set(np.unique(labels.repeat(SCALE, 0).repeat(SCALE, 1)[near])) - {0}
    if len(touched) != kind.touches:
        return False
    copper = part.copper
    if kind.adds:
        copper |= inside
    else:
        copper &= ~inside
    return True


def _no_slivers(copper: np.ndarray) -> bool:
    """Return whether the samples have as many components as the pixels: nothing is held by less than a pixel."""
    return cv2.connectedComponents(np.ascontiguousarray(copper))[0] == _components(copper)[0] + 1


def _box(kind: str, bounds: Bounds, pad: Pad | None, design: Design, rng: np.random.Generator) -> Bounds:
    """The annotator's box: around the defect with an uneven margin, around the whole pad for a missing hole."""
    left, top, right, bottom = bounds
    if pad is not None:
        left, top = min(left, round(pad.x - pad.width / 2)), min(top, round(pad.y - pad.height / 2))
        right, bottom = max(right, round(pad.x + pad.width / 2)), max(bottom, round(pad.y + pad.height / 2))
    low, high = KINDS[kind].margin_px
    a, b, c, d = (int(value) for value in rng.integers(low, high + 1, 4))
    return max(left - a, 0), max(top - b, 0), min(right + c, design.width), min(bottom + d, design.height)


def _within(outline: np.ndarray, design: Design) -> bool:
    low, high = outline.min(0), outline.max(0)
    limits = np.array([design.width, design.height]) - BORDER_PX
    return bool((low >= BORDER_PX).all() and (high <= limits).all())


def _near(a: Bounds, b: Bounds) -> bool:
    return overlap(a, (b[0] - APART_PX, b[1] - APART_PX, b[2] + APART_PX, b[3] + APART_PX))
