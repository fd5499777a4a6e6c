"""`python -m tests.benchmarks.tiling --root FOLDER --dataset NAME`: what tiling costs beside decoding, in one run.

In turns, with the same number of threads: decode all images and masks and do nothing else; cut them into shards and
index; the whole stage with its reader. Prints the medians of wall and processor seconds and their ratios to decoding,
of which the aim is 1.5.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import SourceImage, read_image
from stages.datasets.mask_files import read_mask
from stages.datasets.settings import Dataset
from stages.datasets.sources import find_source
from stages.records.tiles import open_tiles
from stages.runtime.params import read_params
from stages.tiling.cutting import make_tiles
from stages.tiling.settings import Tile


def main() -> None:
    """Measure one data set and print one line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--mode", choices=("window", "resize"), default="window")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where tiles are written and removed again")
    arguments = parser.parse_args()
    tile = replace(read_params().read(Tile), mode=arguments.mode)
    dataset = replace(read_params().read(Dataset), name=arguments.dataset, root=str(arguments.root))

    def read() -> list[SourceImage]:
        return find_source(dataset.name).read(arguments.root, dataset, BadFiles(skip=False))

    images = read()
    described: dict[str, object] = {}

    def decode() -> None:
        with ThreadPoolExecutor(arguments.workers) as pool:
            for _ in pool.map(decode_one, images):
                pass

    def cut() -> None:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            index = make_tiles(images, tile, Path(folder), arguments.workers)
            described["tiles"] = len(index)
            described["defective"] = int((index["label"] == "defective").sum())
            described["truths"] = open_tiles(Path(folder)).truths

    def stage() -> None:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            make_tiles(read(), tile, Path(folder), arguments.workers)

    calls = {"decode": decode, "cut": cut, "read and cut": stage}
    for call in calls.values():
        call()  # the page cache is warm for all
    wall, processor = in_turns(calls, arguments.repeats)
    load = os.getloadavg()[0]
    print(f"{arguments.dataset}: {len(images)} images, {described}, {arguments.workers} threads, load {load:.1f}")
    for name in calls:
        print(
            f"{name:14} {wall[name]:6.2f} s wall, {wall[name] / wall['decode']:.2f} x decode; "
            f"{processor[name]:6.2f} s processor, {processor[name] / processor['decode']:.2f} x"
        )


def decode_one(image: SourceImage) -> None:
    """Decode an image and its mask, and keep neither."""
    read_image(image.path)
    if image.mask is not None:
        read_mask(image.mask)


def in_turns(calls: dict[str, Callable[[], None]], repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the median wall and processor seconds of each call."""
    wall: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            call()
            wall[name].append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_SELF)
            processor[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return tuple({name: statistics.median(values) for name, values in table.items()} for table in (wall, processor))  # type: ignore[return-value]


if __name__ == "__main__":
    main()
