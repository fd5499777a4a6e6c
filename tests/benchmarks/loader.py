"""`python -m tests.benchmarks.loader FOLDER`: tiles per second that training gets, and what storage costs, in one run.

FOLDER is one of data/tiles. First the loader, in turns: the shards as training reads them (random batches, flips, float
0..1, normalised) and torchvision's ImageFolder of the same tiles as PNG files in a DataLoader of two workers with the
same transforms. Then the ways to store tiles: bytes on disk, time to write, and tiles per second read at random.
"""

import argparse
import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from stages.models.batches import draw_flips, flip, to_images
from stages.records.tiles import Tiles, open_tiles
from stages.tiling.ordered_map import map_in_order

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Codec = tuple[Callable[[np.ndarray], bytes], Callable[[bytes], np.ndarray]]


def main() -> None:
    """Measure the tiles of one folder and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiles", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tiles = open_tiles(arguments.folder)
    random = np.random.default_rng(0)
    positions = np.sort(random.permutation(len(tiles))[: arguments.tiles])
    print(f"{arguments.folder}: {len(positions)} tiles of {tiles.px} px, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent) as folder:
        compare_loaders(tiles, positions, Path(folder), arguments.batch, arguments.repeats)
        compare_storage(tiles, positions, Path(folder) / "block", arguments.repeats)


def compare_loaders(tiles: Tiles, positions: np.ndarray, folder: Path, batch: int, repeats: int) -> None:
    """Print tiles per second of both loaders and their ratio: medians over epochs taken in turns, after one of each."""
    for position in positions:
        path = folder / "png" / ("defective" if tiles.labels[position] else "good") / f"{position}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), tiles.images(np.array([position]))[0, ..., ::-1])
    chain: list[object] = [transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip(), transforms.ToTensor()]
    image_folder = datasets.ImageFolder(
        folder / "png", transforms.Compose([*chain, transforms.Normalize(MEAN, DEVIATION)])
    )
    loader = DataLoader(image_folder, batch, shuffle=True, num_workers=2, persistent_workers=True)
    epochs: dict[str, Callable[[], Iterable[list[Tensor] | tuple[Tensor, Tensor]]]] = {
        "shards": lambda: shard_batches(tiles, positions, batch, 0),
        "shards, 2 threads ahead": lambda: shard_batches(tiles, positions, batch, 2),
        "ImageFolder": lambda: loader,
    }
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(repeats + 1):
        for name, batches in epochs.items():
            start = time.perf_counter()
            seen = sum(len(images) for images, _ in batches())
            seconds[name].append(time.perf_counter() - start)
            assert seen == len(positions)
    rates = {name: len(positions) / statistics.median(values[1:]) for name, values in seconds.items()}
    for name, rate in rates.items():
        print(f"{name:24} {rate:9,.0f} tiles/s, {rate / rates['ImageFolder']:.1f} x ImageFolder")


def shard_batches(tiles: Tiles, positions: np.ndarray, batch: int, threads: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches with the transforms of training and the normalisation of its models.

    With 0 threads each batch is made when it is asked for, as training does; else threads make some ahead.
    """
    device = torch.device("cpu")
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    labels = tiles.labels
    order = np.random.default_rng().permutation(positions)

    def load(start: int) -> tuple[Tensor, Tensor]:
        chosen = order[start : start + batch]
        flips = draw_flips(len(chosen), np.random.default_rng(start))
        images = to_images(flip(tiles.images(chosen), flips), device)
        return images.sub_(mean).div_(deviation), torch.from_numpy(labels[chosen])

    starts = range(0, len(order), batch)
    return map_in_order(load, starts, threads) if threads else map(load, starts)


def compare_storage(tiles: Tiles, positions: np.ndarray, path: Path, repeats: int) -> None:
    """Print a row for each way to store tiles one after another in a single file."""
    pixels = tiles.images(positions)
    order = np.random.default_rng(1).permutation(len(pixels))
    for name, (encode, decode) in codecs(pixels.shape[1:]).items():
        start = time.perf_counter()
        ends = [0]
        with path.open("wb") as file:
            for tile in pixels:
                ends.append(ends[-1] + file.write(encode(tile)))
        written = time.perf_counter() - start
        block = np.memmap(path, np.uint8, "r")
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            for place in order:
                decoded = decode(block[ends[place] : ends[place + 1]].tobytes())
            seconds.append(time.perf_counter() - start)
        assert np.array_equal(decoded, pixels[order[-1]]), name
        rate = len(order) / statistics.median(seconds)
        size, cost = 100 * ends[-1] / pixels.nbytes, 1e6 * written / len(pixels)
        print(f"{name:14} {size:5.1f}% of raw bytes, {cost:8.1f} us a tile to write, {rate:9,.0f} tiles/s at random")


def codecs(shape: tuple[int, ...]) -> dict[str, Codec]:
    """Return how to turn a tile into bytes and back, without loss, by libraries that are installed anyway."""

    def opencv(suffix: str, *settings: int) -> Codec:
        return (
            lambda tile: cv2.imencode(suffix, tile, settings)[1].tobytes(),
            lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
        )

    def arrow(name: str, level: int | None = None) -> Codec:
        codec = pyarrow.Codec(name, level)
        extent = int(np.prod(shape))
        return (
            lambda tile: codec.compress(tile.tobytes(), asbytes=True),
            lambda data: np.frombuffer(codec.decompress(data, extent), np.uint8).reshape(shape),
        )

    return {
        "raw": (lambda tile: tile.tobytes(), lambda data: np.frombuffer(data, np.uint8).reshape(shape)),
        "PNG, level 1": opencv(".png", cv2.IMWRITE_PNG_COMPRESSION, 1),
        "PNG, level 6": opencv(".png", cv2.IMWRITE_PNG_COMPRESSION, 6),
        "WebP lossless": opencv(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
        "zstd, level 1": arrow("zstd", 1),
        "lz4": arrow("lz4_raw"),
        "zlib, level 1": (
            lambda tile: zlib.compress(tile.tobytes(), 1),
            lambda data: np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape),
        ),
    }


if __name__ == "__main__":
    main()
