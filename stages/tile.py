"""Stage `tile`: cut source images into tiles with their truth and label."""

import os
import time

from stages.datasets.sources import find_source
from stages.datasets.templates import MASKS, attach_masks
from stages.datasets.tiling import make_tiles
from stages.runtime.command import run_stage
from stages.runtime.params import Params
from stages.runtime.paths import image_root, raw_folder, tiles_folder
from stages.runtime.records import new_folder


def tile(params: Params) -> str:
    """Write data/tiles/<name> and return one line of what was done."""
    start = time.perf_counter()
    name = params.dataset.name
    images = find_source(name).read(image_root(params.dataset))
    images = attach_masks(images, raw_folder(params.dataset) / MASKS)
    with new_folder(tiles_folder(name)) as folder:
        index = make_tiles(images, params.tile, folder, params.runtime.workers or os.cpu_count() or 1)
    defective = (index["label"] == "defective").sum()
    seconds = time.perf_counter() - start
    return f"tile: {name}: {len(images)} images, {len(index)} tiles, {defective} of them defective, {seconds:.1f} s"


if __name__ == "__main__":
    run_stage(tile, __doc__.splitlines()[0])
