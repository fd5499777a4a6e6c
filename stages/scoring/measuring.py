"""Measuring many heatmaps against one set of tiles, a chunk at a time: nothing of tile size is ever kept."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.metrics.controls import grid_truth
from stages.metrics.false_alarms import false_alarms, lit_regions
from stages.metrics.pixel_ranking import Histograms
from stages.metrics.table import PixelHistograms, metrics_of
from stages.metrics.thresholds import Levels, apply_rules, count_levels, join_levels
from stages.scoring.enlarged import Mask, Values
from stages.scoring.explanations import Source
from stages.scoring.image_histograms import CoarseHistograms
from stages.scoring.localisation import Pool, TileMeasures, frames_of, join_measures, measure_tiles
from stages.scoring.settings import Score

CHUNK_TILES = 64  # measured at a time: 13 MB for one setting at 224 px
SPLITS = ("val", "test")

Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Ground:
    """What N explained tiles are: their truth, and what the classifier said."""

    px: int
    truths: tuple[str, ...]
    truth: Callable[[str, Rows], Bools]  # kind, rows -> (n, px, px)
    probability: NDArray[np.float64]  # (N,) of a defect
    defective: Bools  # (N,)
    splits: dict[str, Bools]  # "val" and "test" -> (N,)
    images: NDArray[np.object_]  # (N,) name of the source image

    def rows(self, split: str) -> Rows:
        """Return the rows of a split, ascending."""
        return np.flatnonzero(self.splits[split])


@dataclass(frozen=True)
class Measured:
    """One source against every truth: by tile in both splits, and pooled threshold-free scores of the test tiles."""

    val: dict[str, TileMeasures]
    test: dict[str, TileMeasures]
    pool: Pool  # the pixels of the test tiles

    def scores(self, truth: str, split: str) -> list[dict[str, float]]:
        """Return for every setting the scores pooled over a split; over test tiles the threshold-free ones too."""
        measures = getattr(self, split)[truth]
        scores = measures.scores(np.ones(len(measures.area), bool))
        if split == "test":
            for name, metric in metrics_of(PixelHistograms).items():
                for own, value in zip(scores, metric.of(self.pool.histograms[truth, metric.scale]), strict=True):
                    own[name] = float(value)
        return scores


def chunks(rows: Rows) -> Iterator[Rows]:
    """Yield rows in pieces that fit in memory at tile size."""
    for start in range(0, len(rows), CHUNK_TILES):
        yield rows[start : start + CHUNK_TILES]


def measure_sources(
    sources: Sequence[Source],
    ground: Ground,
    rule: Score,
    watch: Callable[[list[tuple[str, Rows]]], Iterable[tuple[str, Rows]]] = iter,
) -> dict[str, Measured]:
    """Measure every source under every setting; return method -> what was measured.

    Games are played on defective tiles only: a good tile may hold the margin of a neighbour's box.

    Args:
        watch: wraps the list of pieces of work, to show progress.
    """
    found: dict[tuple[str, str], list[dict[str, TileMeasures]]] = {
        (source.method, split): [] for source in sources for split in SPLITS
    }
    # where values lie is looked up first, so that neither the order of tiles nor the size of pieces decides on bins
    pools = {
        source.method: Pool.empty(ground.truths, frames_of(source.read(rows) for rows in chunks(ground.rows("test"))))
        for source in sources
    }
    work = [(split, rows) for split in SPLITS for rows in chunks(ground.rows(split))]
    for split, rows in watch(work):
        truths = {kind: ground.truth(kind, rows) for kind in ground.truths}
        for source in sources:
            measures = measure_tiles(
                source.read(rows),
                truths,
                ground.probability[rows],
                rule.intensity_threshold,
                rule.probability_threshold,
                source.cell_px,
                source.offset_px,
                rule.tolerance_px,
                pools[source.method] if split == "test" else None,
            )
            found[source.method, split].append(measures)

    def joined(method: str, split: str) -> dict[str, TileMeasures]:
        defective = ground.defective[ground.rows(split)]
        pieces = found[method, split]
        return {kind: own.only(defective) for kind, own in join_measures(pieces).items()} if pieces else {}

    return {
        source.method: Measured(joined(source.method, "val"), joined(source.method, "test"), pools[source.method])
        for source in sources
    }


def scores_of_grid_truth(source: Source, ground: Ground, rule: Score) -> dict[str, dict[str, float]]:
    """Return truth -> the test scores of the truth itself, averaged to the grid of this source (`controls.grid_truth`).

    The classifier is taken to be perfect too: a probability of 1 on defective tiles, 0 on good ones. It says what
    scores look like at this resolution. It is no upper bound: another map on the same grid can score higher.
    """
    scores = {}
    for kind in ground.truths:

        def read(rows: Rows, kind: str = kind) -> NDArray[np.float32]:
            known = grid_truth(ground.truth(kind, rows), *source.grid, source.cell_px, source.offset_px)
            return known[:, None]

        sure = ground.defective.astype(np.float64)
        only_test = {"val": np.zeros_like(ground.defective), "test": ground.splits["test"]}
        perfect = replace(ground, truths=(kind,), probability=sure, splits=only_test)
        name = "grid_truth"
        known = Source(name, (name,), (0.0,), source.grid, source.cell_px, source.offset_px, False, False, read)
        scores[kind] = measure_sources([known], perfect, rule)[name].scores(kind, "test")[0]
    return scores


def image_histograms(
    source: Source, setting: int, pool: Pool, ground: Ground
) -> tuple[NDArray[np.object_], dict[tuple[str, str], Histograms]]:
    """Return the sorted names of I source images of test tiles; (truth, scale) -> coarse histograms of each, (I, bins).

    Args:
        pool: of the source, with the pixels of all test tiles.
    """
    rows = ground.rows("test")
    names, codes = np.unique(ground.images[rows], return_inverse=True)
    order = np.argsort(codes, kind="stable")
    rows, codes = rows[order], codes[order]
    whole = {
        key: Histograms(own.inside[setting], own.outside[setting], own.regions[setting])
        for key, own in pool.histograms.items()
    }
    found = CoarseHistograms(len(names), whole)
    for piece in chunks(np.arange(len(rows))):
        own = rows[piece]
        maps, frame = source.read(own)[:, setting], pool.frames[setting]
        values = Values(maps, ground.px, source.cell_px, source.offset_px, ground.probability[own], frame)
        found.add(values, {kind: Mask(ground.truth(kind, own)) for kind in ground.truths}, codes[piece])
    return names, found.of


def levels_of(source: Source, setting: int, ground: Ground) -> Levels:
    """Count the levels of all N tiles under one setting."""
    rows = np.arange(len(ground.probability))
    return join_levels(
        [
            count_levels(
                source.read(piece)[:, setting],
                {kind: ground.truth(kind, piece) for kind in ground.truths},
                ground.px,
                source.cell_px,
                source.offset_px,
            )
            for piece in chunks(rows)
        ]
    )


def good_tile_alarms(
    source: Source, setting: int, levels: Levels, ground: Ground, rule: Score
) -> dict[str, dict[str, float]]:
    """Return rule -> what lights up on good test tiles: by the thesis' threshold and by the one of validation.

    Tiles that the classifier calls good are black, as in every mask here: it is what classifier and heatmap light up
    together. Without truth on validation tiles there is nothing to choose by, and the thesis' threshold stands alone.
    """
    shown = ground.probability > rule.probability_threshold
    wanted = {"fixed": np.full(len(shown), rule.intensity_threshold)}
    if ground.truths:
        chosen = apply_rules(levels, ground.truths[0], shown, ground.splits["val"])["validation"]
        wanted |= {} if math.isnan(chosen.threshold) else {"validation": chosen.levels}
    good = np.flatnonzero(ground.splits["test"] & ~ground.defective)
    alarms = {}
    for name, level in wanted.items():
        regions = [
            lit_regions(
                source.read(piece)[:, setting],
                shown[piece],
                level[piece],
                ground.px,
                source.cell_px,
                source.offset_px,
            )
            for piece in chunks(good)
        ]
        measured = np.concatenate(regions) if regions else np.empty((0, 2), np.int64)
        alarms[name] = false_alarms(measured, ground.px**2, rule.min_region_px)
    return alarms


def tile_columns(measures: Mapping[str, TileMeasures], truth: str, setting: int) -> dict[str, NDArray]:
    """Return what each test tile adds to the scores of one setting: pixel counts, and the scores of single tiles."""
    own = measures[truth]
    counts = {name: own.counts[:, setting, place] for place, name in enumerate(("tp", "fp", "fn", "tn"))}
    return {**counts, **{name: values[:, setting] for name, values in own.means.items()}}
