"""`python -m tests.benchmarks.scoring`: time and memory of scoring a test split of the thesis' extent.

13,600 tiles of 224 px, a third of them for validation, a quarter defective, 14 x 14 float16 maps on disk under 30
settings, boxes and exact masks: what `stages.scoring.measure` gives, with the pooled threshold-free scores of both
scales and both truths, and all threshold rules of three settings. Synthetic maps; the time does not depend on what they
show.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.metrics.table import PixelHistograms, metrics_of
from stages.metrics.thresholds import apply_rules, choose_thresholds, threshold_scores
from stages.scoring.measure import all_scores, measure
from stages.scoring.methods import Method
from stages.scoring.settings import Score

TRUTHS = ("boxes", "exact")
RULE = Score(127, 0.5, "f1", 15.0, 25, 0)
STARTED = time.perf_counter(), time.process_time()


def main() -> None:
    """Score synthetic maps and print seconds (of the clock and of the processor) and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=13600)
    parser.add_argument("--settings", type=int, default=30)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--cells", type=int, default=14)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        maps, packed, probability = _synthetic(arguments, Path(folder))
        _say("ready")
        scores = all_scores({"net": _measured(maps, packed, probability, arguments)})["net", "exact"]
        _say("all settings, and all threshold rules of 3 of them")
        print(", ".join(f"{name} {scores[0][name]:.4f}" for name in metrics_of(PixelHistograms)))
        jaccard = [own["jaccard"] for own in scores]
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


def _measured(maps, packed, probability, arguments):
    tiles = _Tiles(packed, arguments.px, probability)
    fusions = tuple(f"setting {place}" for place in range(arguments.settings))
    cell_px, read = arguments.px / arguments.cells, lambda rows: maps[rows].astype(np.float32)
    grid, discards = (arguments.cells, arguments.cells), (0.0,) * arguments.settings
    place = arguments.px, cell_px, 0.0
    method = Method("net", fusions, discards, grid, *place, True, False, read, probability, TRUTHS)
    validation = measure([method], tiles, "val", RULE)["net"]
    chosen = {truth: choose_thresholds(validation.levels(0), truth) for truth in TRUTHS}
    _say("validation tiles")
    alarms = {("net", setting): {"fixed": 127.0} for setting in range(min(3, arguments.settings))}
    test = measure([method], tiles, "test", RULE, alarms)["net"]
    for setting in range(min(3, arguments.settings)):
        levels = test.levels(setting)
        for truth in TRUTHS:
            threshold_scores(levels, truth, chosen[truth], apply_rules(levels, truth, chosen[truth]))
    return test


@dataclass(frozen=True)
class _Tiles:
    """Tiles in memory, as `stages.scoring.tiles.ScoredTiles`: every third is for validation."""

    packed: dict[str, np.ndarray]
    px: int
    probability: np.ndarray

    @property
    def defective(self) -> np.ndarray:
        return np.arange(len(self.probability)) % 4 == 0

    def rows(self, split: str) -> np.ndarray:
        validation = np.arange(len(self.probability)) % 3 == 0
        return np.flatnonzero(validation if split == "val" else ~validation)

    def truth(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        unpack = lambda bits: np.unpackbits(bits[rows], axis=-1, count=self.px).view(bool)  # noqa: E731
        return {kind: unpack(bits) for kind, bits in self.packed.items()}

    def known(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {kind: np.ones(len(rows), bool) for kind in self.packed}


def _say(what: str) -> None:
    seconds, processor = time.perf_counter() - STARTED[0], time.process_time() - STARTED[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {seconds:.1f} s ({processor:.1f} s of processor), peak {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
