"""Where heatmaps point: everything that is measured on tiles in one pass, for every setting and against every truth.

A heatmap is enlarged once; the thesis' masks, the two games, average precision of each tile and the histograms behind
the pooled threshold-free scores all come from that one copy. Undefined is NaN: never 0, never a hit.

Average precision of a tile looks at the order of its pixels alone. Pooling pixels of several tiles needs values that
mean the same on each; there are two ways (`stages.metrics.table.SCALES`), because neither is right for every method.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.pixel_ranking import (
    BINS,
    Histograms,
    tile_average_precision,
)
from stages.metrics.pointing import is_constant, pointed_distance_px, weighting_share
from stages.metrics.table import SCALES, TileMean, metrics_of
from stages.metrics.thesis import PIXEL_SCORES, counts_of, pixel_scores
from stages.scoring.enlarged import Frame, Mask, Values, count_rows

MEANS = tuple(metrics_of(TileMean))
SCORES = (*PIXEL_SCORES, *MEANS)  # all of them: higher is better
BLOCK_PX = 2**19  # enlarged at a time: 2 MB, which stay in the processor's cache

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TileMeasures:
    """What was measured on n tiles, for S settings, against one truth; rows can be selected and pooled."""

    counts: NDArray[np.int64]  # (n, S, 4) TP, FP, FN, TN in pixels, by the thesis' rule
    means: dict[str, NDArray[np.float64]]  # name of `MEANS` -> (n, S), NaN where undefined
    area: NDArray[np.float64]  # (n,) fraction of the tile that is truth, 0..1
    regions: NDArray[np.int64]  # (n,) regions of the truth
    constant: NDArray[np.bool_]  # (n, S) the heatmap has one value everywhere

    @property
    def hits(self) -> NDArray[np.float64]:
        """(n, S) the pointing game: 1, 0 or NaN."""
        return self.means["pointing_game"]

    def scores(self, rows: Bools) -> list[dict[str, float]]:
        """Pool the selected rows; return one dictionary of `SCORES` per setting."""
        return [
            {
                **pixel_scores(self.counts[rows, setting]),
                **{name: defined_mean(values[rows, setting]) for name, values in self.means.items()},
            }
            for setting in range(self.counts.shape[1])
        ]

    def undefined(self, rows: Bools) -> list[dict[str, int]]:
        """Count, per setting, the selected tiles that have no truth and those whose heatmap is constant."""
        empty = int((self.area[rows] == 0).sum())
        return [{"empty_truths": empty, "constant_maps": int(count)} for count in self.constant[rows].sum(axis=0)]

    def only(self, rows: Bools) -> "TileMeasures":
        """Return the same with the `MEANS` of the other rows undefined (good tiles may hold a neighbour's margin)."""
        means = {name: np.where(rows[:, None], values, math.nan) for name, values in self.means.items()}
        return TileMeasures(self.counts, means, self.area, self.regions, self.constant)


@dataclass(frozen=True)
class Pool:
    """Pixels of many tiles under S settings, for `measure_tiles` to add to."""

    frames: Sequence[Frame]  # S
    histograms: dict[tuple[str, str], Histograms]  # (truth, scale) -> (S, bins)

    @classmethod
    def empty(cls, truths: Iterable[str], frames: Sequence[Frame]) -> "Pool":
        """Return a pool without pixels: 1.5 MB a setting, truth and scale."""
        return cls(
            frames,
            {
                (kind, scale): Histograms(*(np.zeros((len(frames), BINS)) for _ in range(3)))
                for kind in truths
                for scale in SCALES
            },
        )


def frames_of(maps: Iterable[Floats]) -> list[Frame]:
    """Return the frame of each of S settings over chunks of maps, (n, S, h, w) each."""
    chunks = [(own.min(axis=(2, 3)), np.median(own, axis=(2, 3)), own.max(axis=(2, 3))) for own in maps]
    low, middle, high = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return [Frame.of(low[:, setting], middle[:, setting], high[:, setting]) for setting in range(low.shape[1])]


def measure_tiles(
    maps: Floats,
    truths: Mapping[str, Bools],
    probability: Floats,
    intensity_threshold: float = 127,
    probability_threshold: float = 0.5,
    cell_px: float | None = None,
    offset_px: float = 0.0,
    tolerance_px: float = 15.0,
    pool: Pool | None = None,
    workers: int = 1,
) -> dict[str, TileMeasures]:
    """Measure a few tiles under every setting and against every truth.

    Args:
        maps: (n, S, h, w) heatmaps at native resolution, one per setting, finite.
        truths: name of the truth -> (n, px, px) mask.
        probability: (n,) the classifier's probability of a defect.
        intensity_threshold, probability_threshold: see `stages.metrics.thesis.thesis_prediction`.
        cell_px, offset_px: see `stages.metrics.geometry`.
        tolerance_px: of `pointing_game_near`; see `stages.metrics.pointing.pointing_hits`.
        pool: the pixels of these tiles are added to it.
        workers: threads; settings are shared among them.

    Raises:
        ValueError: counts or shapes do not fit each other.
    """
    if not truths:
        return {}
    shapes = {truth.shape for truth in truths.values()}
    px = next(iter(shapes))[-1]
    if maps.ndim != 4 or shapes != {(len(maps), px, px)} or probability.shape != (len(maps),):
        raise ValueError(f"maps {maps.shape}, truths {sorted(shapes)}, probability {probability.shape} do not fit")
    masks = {kind: Mask(truth) for kind, truth in truths.items()}
    settings = maps.shape[1]
    measures = {
        kind: TileMeasures(
            np.empty((len(maps), settings, 4), np.int64),
            {name: np.full((len(maps), settings), math.nan) for name in MEANS},
            mask.area_px / px**2,
            mask.regions,
            np.empty((len(maps), settings), bool),
        )
        for kind, mask in masks.items()
    }

    def measure(setting: int) -> None:
        native = maps[:, setting]
        step = max(1, BLOCK_PX // px**2)
        for start in range(0, len(maps), step):
            block = slice(start, min(start + step, len(maps)))
            frame = pool.frames[setting] if pool else None
            values = Values(native[block], px, cell_px, offset_px, probability[block], frame)
            lit = count_rows(predicted := (values.scaled > intensity_threshold) & values.shown(probability_threshold))
            for kind, mask in masks.items():
                _measure_block(measures[kind], setting, block, mask, values, predicted, lit)
                if pool:
                    _add(pool, kind, setting, mask, block, values)
        for kind, mask in masks.items():
            _point(measures[kind], setting, native, mask, (cell_px, offset_px), tolerance_px)

    if workers > 1 and settings > 1:
        with ThreadPoolExecutor(workers) as threads:
            list(threads.map(measure, range(settings)))
    else:
        for setting in range(settings):
            measure(setting)
    return measures


def join_measures(chunks: list[dict[str, TileMeasures]]) -> dict[str, TileMeasures]:
    """Put the measures of consecutive chunks of tiles into one per truth."""
    return {
        kind: TileMeasures(
            np.concatenate([chunk[kind].counts for chunk in chunks]),
            {name: np.concatenate([chunk[kind].means[name] for chunk in chunks]) for name in MEANS},
            np.concatenate([chunk[kind].area for chunk in chunks]),
            np.concatenate([chunk[kind].regions for chunk in chunks]),
            np.concatenate([chunk[kind].constant for chunk in chunks]),
        )
        for kind in chunks[0]
    }


def defined_mean(values: Floats) -> float:
    """Return the mean of the values that are not NaN, the same in every order; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return math.fsum(defined) / len(defined) if defined.size else math.nan


def _measure_block(
    measures: TileMeasures, setting: int, block: slice, mask: Mask, values: Values, predicted: Bools, lit: NDArray
) -> None:
    pixels, area_px = mask.of(block), mask.area_px[block]
    both = mask.sums(predicted.reshape(-1)[pixels], block).astype(np.int64)
    measures.counts[block, setting] = counts_of(both, lit, area_px, predicted.shape[1])
    inside = mask.sums(np.maximum(values.raw.reshape(-1)[pixels], 0), block)
    varied = values.scaled.any(axis=1)
    measures.means["weighting_game"][block, setting] = weighting_share(inside, values.positive, (area_px > 0) & varied)
    for row in np.flatnonzero((area_px > 0) & varied).tolist():
        own = slice(block.start + row, block.start + row + 1)
        keys, ranked = values.keys(row)
        measures.means["tile_average_precision"][own, setting] = tile_average_precision(ranked, keys[mask.of(own)])


def _add(pool: Pool, kind: str, setting: int, mask: Mask, block: slice, values: Values) -> None:
    for scale in SCALES:
        histograms = pool.histograms[kind, scale]
        own = values.bins(scale).reshape(-1)[mask.of(block)]
        inside = np.bincount(own, minlength=BINS)
        histograms.inside[setting] += inside
        histograms.outside[setting] += values.totals(scale) - inside
        histograms.regions[setting] += np.bincount(own, weights=mask.weights_of(block), minlength=BINS)


def _point(measures: TileMeasures, setting: int, native: Floats, mask: Mask, place: tuple, tolerance_px: float) -> None:
    constant = is_constant(native)
    measures.constant[:, setting] = constant
    distance = pointed_distance_px(native, mask.distance, *place)
    playable = (mask.area_px > 0) & ~constant
    for name, tolerance in (("pointing_game", 0.0), ("pointing_game_near", tolerance_px)):
        measures.means[name][:, setting] = np.where(playable, distance <= tolerance, math.nan)
