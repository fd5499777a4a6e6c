"""`python -m tests.benchmarks.scoring`: time and memory of scoring a test split of the thesis' extent.

13,600 tiles of 224 px, a quarter of them defective, 14 x 14 float16 maps on disk under 30 settings, boxes and exact
masks: what `measure_tiles` gives, with the pooled threshold-free scores of both scales and both truths. Then, as the
score stage does for the setting chosen per fusion, all threshold rules of three settings. Synthetic maps; the time does
not depend on what they show.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from stages.metrics.table import PixelHistograms, metrics_of
from stages.metrics.thresholds import apply_rules, count_levels, join_levels, oracle
from stages.scoring.localisation import Pool, frames_of, join_measures, measure_tiles

TRUTHS = ("boxes", "exact")
CHUNK_TILES = 256


def main() -> None:
    """Score synthetic maps and print seconds (of the clock and of the processor) and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=13600)
    parser.add_argument("--settings", type=int, default=30)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--cells", type=int, default=14)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        maps, packed, probability = _synthetic(arguments, Path(folder))
        _say("ready", 0.0, 0.0)
        clock, processor = time.perf_counter(), time.process_time()
        measures = _survey(maps, packed, probability, arguments)
        _say("all settings", time.perf_counter() - clock, time.process_time() - processor)
        _thresholds(maps, packed, probability, arguments)
        _say("and all threshold rules of 3 settings", time.perf_counter() - clock, time.process_time() - processor)
        jaccard = [scores["jaccard"] for scores in measures["exact"].scores(np.ones(arguments.tiles, bool))]
        print(f"thesis jaccard {min(jaccard):.3f} to {max(jaccard):.3f}")


def _synthetic(arguments: argparse.Namespace, folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Make tiles with one to three round defects in a box each, and noisy maps that see them."""
    rng = np.random.default_rng(0)
    count, px = arguments.tiles, arguments.px
    packed = {kind: np.zeros((count, px, -(-px // 8)), np.uint8) for kind in TRUTHS}
    maps = np.lib.format.open_memmap(
        folder / "maps.npy", "w+", np.float16, (count, arguments.settings, arguments.cells, arguments.cells)
    )
    for tile in range(count):
        box, exact = np.zeros((px, px), np.uint8), np.zeros((px, px), np.uint8)
        for _ in range(int(rng.integers(1, 4)) if tile % 4 == 0 else 0):
            (x, y), radius = rng.integers(0, px, 2).tolist(), int(rng.integers(3, 12))
            cv2.circle(exact, (x, y), radius, 1, -1)
            cv2.rectangle(box, (x - radius - 4, y - radius - 4), (x + radius + 4, y + radius + 4), 1, -1)
        packed["boxes"][tile], packed["exact"][tile] = np.packbits(box, axis=-1), np.packbits(exact, axis=-1)
        seen = cv2.resize(exact.astype(np.float32), maps.shape[2:], interpolation=cv2.INTER_AREA)
        maps[tile] = 4 * seen + rng.standard_normal(maps.shape[1:], np.float32)
    maps.flush()
    probability = np.clip(rng.normal(np.where(np.arange(count) % 4 == 0, 0.8, 0.2), 0.2), 0, 1)
    return np.load(folder / "maps.npy", mmap_mode="r"), packed, probability


def _survey(maps, packed, probability, arguments):
    pieces = [slice(start, start + CHUNK_TILES) for start in range(0, arguments.tiles, CHUNK_TILES)]
    pool = Pool.empty(TRUTHS, frames_of(maps[rows].astype(np.float32) for rows in pieces))
    chunks = []
    for rows in pieces:
        chunks.append(
            measure_tiles(
                maps[rows].astype(np.float32),
                _truths(packed, rows, arguments.px),
                probability[rows],
                pool=pool,
                workers=arguments.workers,
            )
        )
    pooled = metrics_of(PixelHistograms).items()
    print(", ".join(f"{name} {own.of(pool.histograms['exact', own.scale])[0]:.4f}" for name, own in pooled))
    return join_measures(chunks)


def _thresholds(maps, packed, probability, arguments):
    shown, validation = probability > 0.5, np.arange(arguments.tiles) % 3 == 0
    for setting in range(min(3, arguments.settings)):
        levels = join_levels(
            [
                count_levels(
                    maps[start : start + 64, setting],
                    _truths(packed, slice(start, start + 64), arguments.px),
                    arguments.px,
                )
                for start in range(0, arguments.tiles, 64)
            ]
        )
        for kind in TRUTHS:
            rules = apply_rules(levels, kind, shown, validation)
            ious = {name: rule.scores(~validation)["foreground_iou"] for name, rule in rules.items()}
            best = oracle(levels, kind, shown, ~validation).scores(~validation)["foreground_iou"]
            assert best >= ious["validation"]


def _truths(packed, rows, px):
    return {kind: np.unpackbits(bits[rows], axis=-1, count=px).view(bool) for kind, bits in packed.items()}


def _say(what: str, seconds: float, processor: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {seconds:.1f} s ({processor:.1f} s of processor), peak {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
