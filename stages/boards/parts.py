"""Components of a board: pads, their silk screen, and where they are placed. Lengths in pixels."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from stages.boards.style import Style

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max


@dataclass(frozen=True)
class Pad:
    """A copper pad centred at (x, y); `hole` is the diameter of its plated hole, 0 for a pad without one."""

    x: float
    y: float
    shape: Literal["round", "oval", "rect"]
    width: float
    height: float
    hole: float = 0.0
    bare: bool = True  # False: under solder mask (tented)

    @property
    def centre(self) -> Point:
        """The point (x, y)."""
        return self.x, self.y


@dataclass(frozen=True)
class Trace:
    """A copper track of constant width along a polyline."""

    points: tuple[Point, ...]
    width: int


@dataclass(frozen=True)
class Ink:
    """Silk screen: an open polyline, a circle (one point and `radius`) or a text (one point and `text`)."""

    points: tuple[Point, ...]
    radius: float = 0.0
    text: str = ""
    upright: bool = False


@dataclass(frozen=True)
class Part:
    """A component: what it brings, relative to its origin until `moved`."""

    pads: list[Pad]
    ink: list[Ink] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    pins: bool = True  # its pads can be connected
    margin: float = 10.0

    def box(self) -> Box:
        """Return the bounds of pads and outlines."""
        discs = [(x, y, i.radius, i.radius) for i in self.ink if not i.text for x, y in i.points]
        spans = [(p.x, p.y, p.width / 2, p.height / 2) for p in self.pads] + discs
        x, y, half_width, half_height = np.array(spans).T
        low_x, low_y, high_x, high_y = x - half_width, y - half_height, x + half_width, y + half_height
        return float(low_x.min()), float(low_y.min()), float(high_x.max()), float(high_y.max())

    def moved(self, dx: float, dy: float, upright: bool) -> "Part":
        """Return the part shifted, and with x and y exchanged before where it is to stand upright."""

        def put(point: Point) -> Point:
            x, y = point[::-1] if upright else point
            return x + dx, y + dy

        def put_pad(pad: Pad) -> Pad:
            x, y = put(pad.centre)
            width, height = (pad.height, pad.width) if upright else (pad.width, pad.height)
            return replace(pad, x=x, y=y, width=width, height=height)

        ink = [replace(i, points=tuple(map(put, i.points)), upright=upright) for i in self.ink]
        traces = [replace(t, points=tuple(map(put, t.points))) for t in self.traces]
        return replace(self, pads=[put_pad(pad) for pad in self.pads], ink=ink, traces=traces)


def overlap(a: Box, b: Box) -> bool:
    """Return whether two boxes have more than a border in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def place_parts(style: Style, width: int, height: int, rng: np.random.Generator) -> list[Part]:
    """Place random parts without overlap on grid points, large ones first; what finds no room is left out.

    Args:
        style: of the design.
        width: of the board.
        height: of the board.
        rng: source of chance.
    """
    placed: list[Part] = []
    boxes: list[Box] = []
    for maker, density in _MAKERS:
        count = int(np.floor(density * width * height / 1e6 + rng.random()))
        least = 2 if maker in (_header, _axial) else 0  # plated holes and traces on the smallest board, too
        for _ in range(max(count, least)):
            for _ in range(40):
                part = _somewhere(maker(style, rng), style, width, height, rng)
                x0, y0, x1, y1 = box = part.box()
                gap = part.margin + style.clearance_px + style.trace_px[0]
                inside = min(x0, y0) > 26 and x1 < width - 26 and y1 < height - 26
                fits = x1 - x0 < 0.62 * width and y1 - y0 < 0.62 * height
                grown = (x0 - gap, y0 - gap, x1 + gap, y1 + gap)
                if inside and fits and not any(overlap(grown, other) for other in boxes):
                    placed.append(part)
                    boxes.append(box)
                    break
    return placed


def _somewhere(part: Part, style: Style, width: int, height: int, rng: np.random.Generator) -> Part:
    x, y = (style.grid_px * int(rng.integers(2, max(3, side // style.grid_px - 2))) for side in (width, height))
    return part.moved(x, y, upright=bool(rng.random() < 0.5))


def _frame(x0: float, y0: float, x1: float, y1: float) -> Ink:
    return Ink(((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)))


def _label(rng: np.random.Generator, prefix: str, x: float, y: float) -> Ink:
    return Ink(((x, y),), text=f"{prefix}{int(rng.integers(1, 40))}")


def _plated(style: Style, x: float, y: float, square: bool = False) -> Pad:
    size = style.pad_px
    if square:
        return Pad(x, y, "rect", size * 0.92, size * 0.92, style.hole_px)
    if style.oval_pads:
        return Pad(x, y, "oval", size, size * 1.45, style.hole_px)
    return Pad(x, y, "round", size, size, style.hole_px)


def _header(style: Style, rng: np.random.Generator) -> Part:
    """Return a single row of plated holes with a frame."""
    step, count = style.pitch * style.grid_px, int(rng.integers(3, 9))
    pads = [_plated(style, i * step, 0, square=i == 0) for i in range(count)]
    half, tall = style.pad_px * 0.5 + 7, pads[-1].height / 2 + 8
    ink = [_frame(-half, -tall, (count - 1) * step + half, tall)] if rng.random() < 0.6 else []
    return Part(pads, [*ink, _label(rng, "JP", -half, -tall - 8)])


def _ladder(style: Style, rng: np.random.Generator) -> Part:
    """Return two rows of plated holes joined by parallel traces that bend by 45 degrees: a bus."""
    grid, step, count = style.grid_px, style.pitch * style.grid_px, int(rng.integers(5, 10))
    shift, gap = int(rng.integers(-5, 6)) * grid, int(rng.integers(16, 24)) * grid
    bend = int(rng.integers(4, 7)) * grid
    width = style.signal_px(rng)
    pads, traces = [], []
    for i in range(count):
        x = i * step
        pads += [_plated(style, x, 0, square=i == 0), _plated(style, x + shift, gap)]
        middle = ((x, bend), (x + shift, bend + abs(shift))) if shift else ()
        traces.append(Trace(((x, 0), *middle, (x + shift, gap)), width))
    return Part(pads, [_label(rng, "CN", 0, -style.pad_px)], traces, pins=False)


def _dip(style: Style, rng: np.random.Generator) -> Part:
    """Return two rows of plated holes around a body with a notch."""
    step, count = style.pitch * style.grid_px, int(rng.integers(3, 7))
    gap = int(rng.integers(8, 11)) * style.grid_px
    pads = [_plated(style, i * step, y, square=i == 0 and y == 0) for y in (0, gap) for i in range(count)]
    inset = pads[-1].height / 2 + 8
    left, right = -style.pad_px * 0.4, (count - 1) * step + style.pad_px * 0.4
    ink = [_frame(left, inset, right, gap - inset), Ink(((left + 9, gap / 2),), radius=8)]
    return Part(pads, [*ink, _label(rng, "U", left + 30, gap / 2 + 8)])


def _small_outline(style: Style, rng: np.random.Generator) -> Part:
    """Return two rows of bare rectangular pads without holes: a surface-mounted circuit."""
    step, count = max(2, style.pitch - 1) * style.grid_px, int(rng.integers(4, 9))
    gap = int(rng.integers(8, 11)) * style.grid_px
    wide = min(step * 0.5, 26.0)
    pads = [Pad(i * step, y, "rect", wide, 46) for y in (0, gap) for i in range(count)]
    ink = [_frame(-wide, 32, (count - 1) * step + wide, gap - 32), Ink(((0, 42),), radius=4)]
    return Part(pads, [*ink, _label(rng, "IC", 20, gap / 2 + 8)])


def _axial(style: Style, rng: np.random.Generator) -> Part:
    """Return two plated holes with the outline of a resistor or capacitor."""
    gap = int(rng.integers(6, 10)) * style.grid_px
    inset = style.pad_px / 2 + 8
    disc = Ink(((gap / 2, 0),), radius=gap / 2 + style.pad_px / 2 + 6)
    ink = disc if rng.random() < 0.5 else _frame(inset, -14, gap - inset, 14)
    label = _label(rng, "RC"[int(rng.integers(2))], 0, -style.pad_px * 0.8)
    return Part([_plated(style, 0, 0), _plated(style, gap, 0)], [ink, label])


def _chip(style: Style, rng: np.random.Generator) -> Part:
    """Return two bare rectangular pads without holes: a surface-mounted resistor or capacitor."""
    gap = int(rng.integers(4, 6)) * style.grid_px
    wide, tall = float(rng.uniform(30, 38)), float(rng.uniform(36, 50))
    pads = [Pad(x, 0, "rect", wide, tall) for x in (0.0, float(gap))]
    ink = [_frame(-wide / 2 - 7, -tall / 2 - 7, gap + wide / 2 + 7, tall / 2 + 7)] if rng.random() < 0.7 else []
    return Part(pads, [*ink, _label(rng, "RCD"[int(rng.integers(3))], 0, -tall / 2 - 12)])


def _terminal(style: Style, rng: np.random.Generator) -> Part:
    """Return a row of large round pads with large holes."""
    step, count = 6 * style.grid_px, int(rng.integers(2, 4))
    pads = [Pad(i * step, 0, "round", 70, 70, 30) for i in range(count)]
    return Part(pads, [_frame(-48, -44, (count - 1) * step + 48, 44), _label(rng, "X", -44, -52)])


def _via(style: Style, rng: np.random.Generator) -> Part:
    """Return a small pad, bare with a plated hole or under solder mask."""
    if rng.random() < 0.5:
        return Part([Pad(0, 0, "round", 30, 30, 15)], margin=6)
    return Part([Pad(0, 0, "round", 28, 28, bare=False)], margin=6)


def _fiducial(style: Style, rng: np.random.Generator) -> Part:
    """Return an isolated copper disc without a hole, bare or under solder mask."""
    size = float(rng.uniform(18, 26))
    return Part([Pad(0, 0, "round", size, size, bare=bool(rng.random() < 0.6))], pins=False, margin=16)


_MAKERS: tuple[tuple[Callable[[Style, np.random.Generator], Part], float], ...] = (
    (_ladder, 1.6),
    (_dip, 1.6),
    (_small_outline, 1.6),
    (_header, 3.0),
    (_terminal, 0.7),
    (_axial, 6.0),
    (_chip, 6.0),
    (_via, 10.0),
    (_fiducial, 3.0),
)  # each with how many a board of one megapixel gets on average
