"""The layout of a board design: parts, the traces between them, mounting holes. Geometry only, no pixels."""

from dataclasses import dataclass, field

import numpy as np

from stages.boards.parts import Ink, Pad, Part, Point, Trace, overlap, place_parts
from stages.boards.routing import Router
from stages.boards.style import Style, draw_style


@dataclass
class Design:
    """One board design; every board of the design shares it exactly. Lengths in pixels."""

    style: Style
    width: int
    height: int
    pads: list[Pad] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    ink: list[Ink] = field(default_factory=list)
    grounded: list[Pad] = field(default_factory=list)  # joined to the copper pour by spokes
    joints: list[tuple[Pad, Point]] = field(default_factory=list)  # where a trace leaves a pad, and a point on it
    drills: list[tuple[float, float, float]] = field(default_factory=list)  # mounting holes: x, y, radius


def draw_design(seed: int, number: int, width: int, height: int, clutter: bool = True) -> Design:
    """Draw a design of the data set.

    Args:
        seed: of the data set.
        number: of the design, from 0.
        width: of its boards, in pixels.
        height: of its boards, in pixels.
        clutter: add what looks like a defect and is none: hatched and stippled pours, thieving dots, necks, open ends.
    """
    rng = np.random.default_rng([seed, 3, number])
    design = Design(draw_style(seed, number, clutter), width, height)
    router = Router(design.style, width, height)
    for x, y in ((46, 46), (width - 46, 46), (46, height - 46), (width - 46, height - 46)):
        if rng.random() < 0.3:
            radius = float(rng.uniform(20, 30))
            design.drills.append((float(x), float(y), radius))
            router.add(Pad(x, y, "round", 2 * radius + 12, 2 * radius + 12))
    parts = [part for part in place_parts(design.style, width, height, rng) if not _hits_drill(part, design)]
    for part in parts:
        design.pads += part.pads
        design.ink += part.ink
        for pad in part.pads:
            router.add(pad)
        for trace in part.traces:
            _add_trace(design, router, trace)
    _route_nets(design, router, parts, rng)
    return design


def _hits_drill(part: Part, design: Design) -> bool:
    box = part.box()
    return any(overlap(box, (x - r - 16, y - r - 16, x + r + 16, y + r + 16)) for x, y, r in design.drills)


def _add_trace(design: Design, router: Router, trace: Trace) -> None:
    design.traces += _with_neck(trace) if design.style.clutter else [trace]
    router.add(trace)


def _with_neck(trace: Trace) -> list[Trace]:
    """Narrow a wide trace along its longest straight run: a legitimate neck with round shoulders."""
    points = np.array(trace.points, float)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    longest = int(lengths.argmax())
    if trace.width < 26 or lengths[longest] < 170:
        return [trace]
    start, end = points[longest], points[longest + 1]
    direction = (end - start) / lengths[longest]
    a, b = (start + direction * lengths[longest] * share for share in (0.42, 0.58))
    head, tail = [*points[: longest + 1], a], [b, *points[longest + 1 :]]
    pieces = ((head, trace.width), ([a, b], round(trace.width * 0.6)), (tail, trace.width))
    return [Trace(tuple((float(x), float(y)) for x, y in piece), width) for piece, width in pieces]


def _route_nets(design: Design, router: Router, parts: list[Part], rng: np.random.Generator) -> None:
    """Join most pins to a pin of another part; of those left, some to a trace, to nothing, or to the pour."""
    style = design.style
    open_pins = {id(pad): (pad, number) for number, part in enumerate(parts) if part.pins for pad in part.pads}
    order = [key for number in rng.permutation(len(parts)) for key in map(id, parts[number].pads) if key in open_pins]
    for key in order:
        if key not in open_pins:
            continue
        pad, number = open_pins[key]
        fate = rng.random()
        if fate < 0.12:
            continue  # left for the pour, or not connected at all
        width = style.power_px if rng.random() < 0.2 else style.signal_px(rng)
        others = [other for other, home in open_pins.values() if home != number]
        others.sort(key=lambda other: (other.x - pad.x) ** 2 + (other.y - pad.y) ** 2)
        near = int(rng.integers(0, 3 if fate < 0.8 else max(1, len(others))))
        for goal in others[near : near + 2]:
            trace = router.route(pad.centre, goal.centre, width, (pad, goal))
            if trace is not None:
                _add_trace(design, router, trace)
                design.joints += [(pad, trace.points[1]), (goal, trace.points[-2])]
                del open_pins[key], open_pins[id(goal)]
                break
    for pad, _ in open_pins.values():
        fate = rng.random()
        if fate < 0.3:
            _route_to_trace(design, router, pad, rng)
        elif fate < 0.6:
            _route_to_nowhere(design, router, pad, rng)
        elif style.pour != "none" and pad.bare:
            design.grounded.append(pad)


def _route_to_trace(design: Design, router: Router, pad: Pad, rng: np.random.Generator) -> None:
    """Join a pad to a trace: a legitimate T-junction."""
    if not design.traces:
        return
    by_distance = sorted(design.traces, key=lambda t: min((x - pad.x) ** 2 + (y - pad.y) ** 2 for x, y in t.points))
    target = by_distance[int(rng.integers(0, min(3, len(by_distance))))]
    index = int(rng.integers(0, len(target.points) - 1))
    (x0, y0), (x1, y1) = target.points[index : index + 2]
    share, grid = rng.uniform(0.3, 0.7), design.style.grid_px
    goal = (round((x0 + share * (x1 - x0)) / grid) * grid, round((y0 + share * (y1 - y0)) / grid) * grid)
    trace = router.route(pad.centre, goal, min(target.width, design.style.trace_px[1]), (pad, target))
    if trace is not None and sum(np.hypot(*np.diff(trace.points, axis=0).T)) < 500:
        _add_trace(design, router, trace)
        design.joints.append((pad, trace.points[1]))


def _route_to_nowhere(design: Design, router: Router, pad: Pad, rng: np.random.Generator) -> None:
    """End a trace in a via or, rarely, in nothing: a legitimate trace end."""
    style, grid = design.style, design.style.grid_px
    x, y = (round(at / grid + rng.integers(-12, 13)) * grid for at in pad.centre)
    inside = 40 < x < design.width - 40 and 40 < y < design.height - 40
    if not inside or not router.clear((x, y), 16):
        return
    trace = router.route(pad.centre, (x, y), style.signal_px(rng), (pad,))
    if trace is None:
        return
    _add_trace(design, router, trace)
    if rng.random() < 0.8 or not style.clutter:
        plated = rng.random() < 0.6
        via = Pad(x, y, "round", 30, 30, 15 if plated else 0, bare=plated)
        design.pads.append(via)
        router.add(via)
