"""What all boards of one design have in common besides their layout: colours, widths, finish, camera."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Colour = tuple[float, float, float]
Pour = Literal["none", "solid", "stipple", "hatch"]

# Solder mask over bare substrate and over copper, RGB 0..255. Real boards are mostly green, in many tones.
MASKS: tuple[tuple[Colour, Colour], ...] = (
    ((14, 62, 18), (26, 122, 36)),  # green
    ((8, 72, 28), (20, 138, 54)),  # green
    ((14, 34, 92), (28, 76, 164)),  # blue
    ((28, 66, 22), (66, 128, 44)),  # green
    ((6, 48, 22), (14, 100, 40)),  # green
    ((104, 14, 18), (178, 40, 36)),  # red
    ((10, 58, 44), (22, 116, 88)),  # green
    ((22, 78, 20), (48, 148, 40)),  # green
    ((24, 26, 28), (78, 80, 78)),  # black
    ((4, 56, 12), (12, 112, 28)),  # green
    ((8, 44, 74), (22, 94, 142)),  # blue
    ((38, 72, 30), (82, 138, 60)),  # green
    ((84, 16, 30), (152, 38, 58)),  # red
    ((12, 66, 34), (32, 128, 66)),  # green
)
FINISHES: tuple[Colour, ...] = ((186, 180, 176), (172, 166, 158), (204, 200, 194), (206, 172, 104), (196, 160, 96))
BACKINGS: tuple[Colour, ...] = ((22, 20, 18), (34, 30, 28), (124, 120, 116), (188, 186, 180))


@dataclass(frozen=True)
class Style:
    """Lengths in pixels of the final image, colours RGB 0..255, amplitudes as a fraction of full scale."""

    grid_px: int  # step of the routing grid; every pad sits on a grid point
    pitch: int  # grid steps between neighbouring pins
    pad_px: int
    hole_px: int
    trace_px: tuple[int, int]  # narrowest and widest signal trace
    power_px: int  # width of the wide traces
    clearance_px: int
    pour: Pour
    pour_clearance_px: int
    oval_pads: bool
    teardrops: bool
    dots: bool  # copper thieving: regular isolated copper dots in empty areas
    soldered: bool  # plated holes are filled with solder instead of open
    substrate: Colour
    copper: Colour
    finish: Colour
    silk: Colour
    backing: Colour  # what is seen through an open hole
    grain: float  # texture of mask and metal
    light: float  # direction the light comes from, radians
    relief: float  # strength of light and shadow at copper edges
    blur_px: float  # standard deviation of the lens blur
    noise: float  # standard deviation of the sensor noise in the mid-tones, grey levels
    jpeg: int
    white_balance: Colour  # channel gains
    gradient: float  # brightness change across the image, fraction
    clutter: bool  # innocent structures that look like defects

    def signal_px(self, rng: np.random.Generator) -> int:
        """Draw the width of a signal trace."""
        return int(rng.integers(self.trace_px[0], self.trace_px[1] + 1))


def draw_style(seed: int, number: int, clutter: bool = True) -> Style:
    """Draw the style of a design.

    Mask colours go round a list that is shuffled by the seed, so that few designs already differ; the rest is random.

    Args:
        seed: of the data set.
        number: of the design, from 0.
        clutter: see `draw_design`.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(MASKS))
    rng = np.random.default_rng([seed, 2, number])
    substrate, copper = MASKS[order[number % len(MASKS)]]
    tint = rng.uniform(0.9, 1.1, 3)
    grid = int(rng.integers(14, 18))
    pitch, trace = ((3, (12, 15)), (4, (15, 22)), (5, (22, 32)))[(number + int(order[0])) % 3]  # fine, medium, bold
    pad = int(min(rng.uniform(0.60, 0.72) * pitch * grid, 64))
    plain: tuple[Pour, ...] = ("solid", "none", "none", "solid", "solid", "solid")
    pours: tuple[Pour, ...] = ("solid", "stipple", "none", "solid", "hatch", "solid") if clutter else plain
    return Style(
        grid_px=grid,
        pitch=pitch,
        pad_px=max(pad, 30),
        hole_px=int(np.clip(pad * rng.uniform(0.56, 0.68), 18, 36)),
        trace_px=trace,
        power_px=int(rng.integers(trace[1] + 6, trace[1] + 18)),
        clearance_px=int(rng.integers(9, 13)),
        pour=pours[(number + int(order[1])) % len(pours)],
        pour_clearance_px=int(rng.integers(14, 19)),
        oval_pads=bool(rng.random() < 0.5),
        teardrops=bool(rng.random() < 0.4),
        dots=bool(rng.random() < 0.4) and clutter,
        soldered=bool(rng.random() < 0.6),
        substrate=_tinted(substrate, tint),
        copper=_tinted(copper, tint),
        finish=FINISHES[int(rng.integers(len(FINISHES)))],
        silk=_tinted((222, 224, 218), rng.uniform(0.94, 1.06, 3)),
        backing=_backing(substrate, rng),
        grain=float(rng.uniform(0.015, 0.04)),
        light=float(rng.uniform(0, 2 * np.pi)),
        relief=float(rng.uniform(0.12, 0.35)),
        blur_px=float(rng.uniform(0.6, 1.1)),
        noise=float(rng.uniform(1.5, 3.2)),
        jpeg=int(rng.integers(88, 96)),
        white_balance=_tinted((1.0, 1.0, 1.0), rng.uniform(0.94, 1.06, 3)),
        gradient=float(rng.uniform(0.06, 0.2)),
        clutter=clutter,
    )


def _backing(substrate: Colour, rng: np.random.Generator) -> Colour:
    """What lies under the board, dark or light, but not of the mask's own tone: a filled hole must be seen."""
    choices = [colour for colour in BACKINGS if max(abs(a - b) for a, b in zip(colour, substrate, strict=True)) > 36]
    return choices[int(rng.integers(len(choices)))]


def _tinted(colour: Colour, gains: np.ndarray) -> Colour:
    red, green, blue = (float(channel * gain) for channel, gain in zip(colour, gains, strict=True))
    return red, green, blue
