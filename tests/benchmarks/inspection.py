"""Whole photographs: inspection, from file to written overlay, beside decoding and plain forward passes of its tiles.

    python -m tests.benchmarks.inspection MODEL.onnx PHOTOGRAPH...

Both in turn, several times, one thread; prints the medians and their ratio.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.datasets.images import read_image
from stages.inspection.model import OUTPUTS, LineModel, open_model
from stages.inspection.photographs import Photograph
from stages.inspection.run import Run, inspect_all
from stages.inspection.settings import Options
from stages.inspection.tiles import line_tile
from stages.tiling.windows import windows


def plain(path: Path, model: LineModel, batches: list[NDArray[np.uint8]]) -> float:
    """Return the seconds of decoding a photograph and of forward passes of its tiles, which were cut before."""
    begun = time.perf_counter()
    read_image(path)
    for tiles in batches:
        model.session.run(OUTPUTS, {"tiles": tiles})
    return time.perf_counter() - begun


def inspected(path: Path, model: LineModel, options: Options) -> float:
    """Return the seconds of inspecting it, overlay and picture written; without summary and page, made once a run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), model, options, written=float("inf"))
        begun = time.perf_counter()
        inspect_all(run, [Photograph(path, path.name)])
        return time.perf_counter() - begun


def main() -> None:
    """Measure every photograph and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photographs", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    options = Options(threads=1)
    model = open_model(given.model, options.threads)
    for path in given.photographs:
        pixels = read_image(path)
        height, width = pixels.shape[:2]
        places = windows(height, width, line_tile(model.tile, None))
        tiles = np.stack([window.of(pixels) for window in places])
        batches = [tiles[start : start + options.batch] for start in range(0, len(tiles), options.batch)]
        times = [(plain(path, model, batches), inspected(path, model, options)) for _ in range(given.repeats + 1)][1:]
        before, after = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{path.name} {width}x{height}, {len(tiles)} tiles: {before:.3f} s, {after:.3f} s, {after / before:.3f}")


if __name__ == "__main__":
    main()
