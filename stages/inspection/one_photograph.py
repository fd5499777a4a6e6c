"""One photograph: decoded, looked at, and what was found; or why not."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.datasets.images import open_file, read_image
from stages.inspection.drift import beyond, flags
from stages.inspection.model import LineModel
from stages.inspection.overlay import overlay, reduce
from stages.inspection.photographs import Photograph
from stages.inspection.regions import Region, find_regions
from stages.inspection.settings import Options
from stages.inspection.tiles import Look, grid, look_at
from stages.metrics.blend import TileMaps, blend
from stages.metrics.thesis import scale_to_255
from stages.runtime.errors import InputError

GOOD, DEFECTIVE, FAILED = "good", "defective", "failed"


@dataclass
class Finding:
    """What is known of a photograph; numbers are None where it failed.

    Attributes:
        verdict: good; defective: a tile's probability is above the model's threshold; failed: see `reason`.
        probability: the highest of its tiles.
        drift: why it is unlike training; none where it is not.
        beyond: what `stages.inspection.drift.beyond` returned.
        tile_probability: (n,).
        lit_cells: mean over tiles of the share of cells that is lit.
        numbers: further ones, for the summary.
        ms: decoding, looking, painting and writing, milliseconds.
        overlay, picture: files below the folder of results, with forward slashes; None where they were not written.
    """

    photograph: Photograph
    verdict: str = FAILED
    reason: str | None = None
    probability: float | None = None
    width: int | None = None
    height: int | None = None
    regions: list[Region] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    beyond: dict[str, int] = field(default_factory=dict)
    tile_probability: NDArray[np.floating] = field(default_factory=lambda: np.zeros(0))
    lit_cells: float = 0.0
    numbers: dict[str, float] = field(default_factory=dict)
    ms: float = 0.0
    overlay: str | None = None
    picture: str | None = None


@dataclass(frozen=True)
class Pictures:
    """A photograph as it is shown, (h, w, 3) RGB, and its overlay, (h, w) places in the palette."""

    photograph: NDArray[np.uint8]
    overlay: NDArray[np.uint8]


def decode(photograph: Photograph, options: Options, most_pixels: int | None = None) -> NDArray[np.uint8] | None:
    """Return the pixels of a photograph as training would read them, (H, W, 3) RGB, upright.

    Args:
        most_pixels: None is returned for one with more.

    Raises:
        InputError: it cannot be read; the message begins with the file and speaks of this command's options.
    """
    if photograph.trouble:
        raise InputError(f"{photograph.path}: {photograph.trouble}")
    try:
        if most_pixels is not None:
            height, width = open_file(photograph.path, "image", max_pixels=options.max_pixels).shape
            if height * width > most_pixels:
                return None
        return read_image(photograph.path, options.bit_depth, options.max_pixels)
    except InputError as error:
        raise InputError(_for_the_line(str(error), options)) from None
    except cv2.error as error:
        raise InputError(f"{photograph.path}: cannot be decoded ({' '.join(str(error).split())})") from None


def inspect(finding: Finding, pixels: list[NDArray[np.uint8]], model: LineModel, options: Options) -> Pictures:
    """Look at a photograph, note what was found, and return its pictures.

    Args:
        finding: filled here.
        pixels: one array (H, W, 3) RGB, taken out of the list: a large one is given back as soon as it was looked at.
    """
    image = pixels.pop()
    finding.height, finding.width = image.shape[:2]
    look = look_at(image, model, options)
    shown = reduce(image, options.overlay_px)
    del image
    heat = _judge(finding, look, model, options)
    return Pictures(shown.pixels, overlay(heat, finding.regions, shown.step))


def _judge(finding: Finding, look: Look, model: LineModel, options: Options) -> NDArray[np.uint8]:
    """Note verdict, regions and drift; return the map of the photograph (H, W)."""
    metadata, height, width = model.metadata, finding.height or 0, finding.width or 0
    called = look.probability > metadata.thresholds.decision
    shown = np.ones_like(called) if options.all_tiles else called
    cells = metadata.heatmap
    tiles = TileMaps(*grid(look.windows), look.maps, shown, metadata.tile.px, cells.cell_px, cells.offset_px)
    heat = blend(tiles, height, width)
    level = metadata.thresholds.heatmap_level
    finding.regions = find_regions(heat, look, level, metadata.classes, options.min_area_px)
    finding.verdict = DEFECTIVE if called.any() else GOOD
    finding.probability = float(look.probability.max())
    finding.tile_probability = look.probability
    lit = (scale_to_255(look.maps) > level) & called[:, None, None]
    finding.lit_cells = float(lit.mean())
    finding.beyond = beyond(look.measures, metadata.reference)
    finding.drift = flags(finding.beyond, len(called))
    finding.numbers = {
        "mean_probability": float(look.probability.mean()),
        "lit_share": float(np.count_nonzero(heat > level) / heat.size),
        "tiles": len(called),
        "defective_tiles": int(called.sum()),
        **{name: float(np.median(values)) for name, values in look.measures.items()},
    }
    return heat


def _for_the_line(message: str, options: Options) -> str:
    """Return a reader's message with this command's options in place of parameters of the pipeline."""
    for words, others in (
        (" (dataset.root)", ""),
        ("; check dataset.root", "; check the file's rights"),
        ("dataset.bit_depth", "--bit-depth"),
        (f"more than {options.max_pixels}; cut it up before", f"more than --max-pixels {options.max_pixels}"),
    ):
        message = message.replace(words, others)
    return message
