"""Stage tile: cut source images into tiles with their truth and label."""

import os
import time

from stages.records.files import write_json
from stages.records.folders import new_folder
from stages.records.paths import TILE_METRICS, raw_folder, tiles_folder
from stages.runtime.command import run_stage
from stages.runtime.params import Params, Runtime


def tile(params: Params) -> str:
    """Write data/tiles/<name> and metrics/tile.json, and return one line of what was done."""
    from stages.datasets.bad_files import BadFiles
    from stages.datasets.few import draw_few
    from stages.datasets.settings import Dataset
    from stages.datasets.sources import find_root, find_source
    from stages.datasets.templates import MASKS, attach_masks
    from stages.datasets.unused import counted, find_unused
    from stages.records.tiles import open_tiles
    from stages.tiling.counts import count_tiles, counts_in_words
    from stages.tiling.cutting import make_tiles
    from stages.tiling.settings import Tile

    start = time.perf_counter()
    dataset, runtime = params.read(Dataset), params.read(Runtime)
    name = dataset.name
    bad_files = BadFiles(dataset.on_bad_file == "skip")
    source, root = find_source(name), find_root(dataset)
    published = source.read(root, dataset, bad_files)
    some = dataset.masks_from is not None
    images = attach_masks(draw_few(published, dataset.images), raw_folder(name) / MASKS, bad_files, some)
    unused = counted(find_unused(root, published, bad_files.skipped, source.templates, source.described_by))
    with new_folder(tiles_folder(name)) as folder:
        workers = runtime.workers or os.cpu_count() or 1
        index = make_tiles(images, params.read(Tile), folder, workers, runtime.cluster, bad_files, dataset)
    counts = count_tiles(index, open_tiles(tiles_folder(name)).truths, bad_files.skipped, bad_files.notes, unused)
    write_json(TILE_METRICS, {name: counts})
    return f"tile: {name}: {counts_in_words(counts)}, {time.perf_counter() - start:.1f} s"


if __name__ == "__main__":
    run_stage(tile, __doc__.splitlines()[0])
