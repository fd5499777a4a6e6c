"""What the command line of `stages.inspect` decides."""

from dataclasses import dataclass

from stages.runtime.errors import InputError

MAX_PIXELS = 4 * 10**8  # 20,000 x 20,000; decoded, that is 1.2 GB


@dataclass(frozen=True)
class Options:
    """How photographs are looked at.

    Attributes:
        batch: tiles per forward pass.
        overlap_px: what neighbouring tiles share; None: as in training.
        all_tiles: heatmaps of tiles that the model calls good are shown too.
        min_area_px: smaller regions are left out.
        bit_depth: bits that the camera of 16-bit files uses; None refuses files of which nobody knows.
        max_pixels: photographs with more are refused before they are decoded.
        overlay_px: longest side of overlays; larger photographs are shown reduced by a whole number.
        threads: that the forward pass may use; 0: all processors.
    """

    batch: int = 16
    overlap_px: int | None = None
    all_tiles: bool = False
    min_area_px: int = 16
    bit_depth: int | None = None
    max_pixels: int = MAX_PIXELS
    overlay_px: int = 4096
    threads: int = 0

    def __post_init__(self) -> None:
        for name, low in {"batch": 1, "min_area_px": 1, "max_pixels": 1, "overlay_px": 64, "threads": 0}.items():
            if getattr(self, name) < low:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} is {getattr(self, name)}; expected {low} or more")
        if self.overlap_px is not None and self.overlap_px < 0:
            raise InputError(f"--overlap-px is {self.overlap_px}; expected 0 or more")
        if self.bit_depth is not None and not 8 <= self.bit_depth <= 16:
            raise InputError(f"--bit-depth is {self.bit_depth}; expected 8 to 16")
