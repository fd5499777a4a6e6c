"""Measuring every heatmap against every truth, a few tiles at a time: nothing of tile size is ever kept.

A heatmap is enlarged once. The thesis' masks, the scores of single tiles, the histograms behind the pooled
threshold-free scores, the levels behind all threshold rules and the false alarms all come from that one copy
(`stages.metrics.enlarged.EnlargedMaps`), as what they ask of a truth comes from one list of its pixels. Undefined is
NaN: never 0, never a hit.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.enlarged import SCALES, EnlargedMaps, Frame, TruePixels, count_rows
from stages.metrics.false_alarms import lit_regions
from stages.metrics.histograms import BINS, Histograms
from stages.metrics.pixel_counts import counts_of, pixel_scores
from stages.metrics.table import PixelHistograms, TileMean, metrics_of
from stages.metrics.thresholds import Levels, count_levels, join_levels
from stages.scoring.methods import Method
from stages.scoring.settings import Score
from stages.scoring.tiles import Rows, ScoredTiles, chunks

BLOCK_PX = 2**19  # enlarged at a time: 2 MB, which stay in the processor's cache

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
Alarms = Mapping[tuple[str, int], Mapping[str, float]]  # method, setting -> rule -> level that lit pixels are above
AllScores = Mapping[tuple[str, str], list[dict[str, float]]]  # name of the method, truth -> scores of each setting


@dataclass(frozen=True)
class Measured:
    """What was measured of one method on the n tiles of a split, under S settings and against every truth."""

    frames: Sequence[Frame]  # S; none where no pixels are pooled
    constant: Bools  # (n, S) the heatmap has one value everywhere
    counts: dict[str, NDArray[np.int64]]  # truth -> (n, S, 4) TP, FP, FN, TN in pixels, by the thesis' rule
    means: dict[str, dict[str, NDArray[np.float64]]]  # truth -> name of a `TileMean` -> (n, S), NaN where undefined
    histograms: dict[tuple[str, str], Histograms]  # truth, scale -> (S, bins) of the pixels of all n tiles
    levels_of_blocks: dict[int, list[Levels]]  # setting -> levels of consecutive tiles
    lit: dict[tuple[int, str], NDArray[np.int64]]  # setting, rule of `Alarms` -> (n, 2) `lit_regions` of good tiles

    def levels(self, setting: int) -> Levels:
        """Return the levels of the n tiles under one of the settings whose levels were kept."""
        return join_levels(self.levels_of_blocks[setting])

    def scores(self, truth: str, setting: int, chosen: Bools | None = None) -> dict[str, float]:
        """Return the scores of one setting (`stages.metrics.table.SCORES`) pooled over tiles.

        Args:
            chosen: (n,) over which of them; None: all.
        """
        tiles = slice(None) if chosen is None else chosen
        means = {name: defined_mean(values[tiles, setting]) for name, values in self.means[truth].items()}
        return {**pixel_scores(self.counts[truth][tiles, setting]), **means}


@dataclass(frozen=True)
class Block:
    """A few tiles of a split under measurement."""

    rows: Rows  # (b,) of `ScoredTiles`
    place: slice  # among the n tiles of the split
    truth: dict[str, TruePixels]
    known: dict[str, Bools]  # kind of truth -> (b,) whether the tile has it; else nothing of it is counted
    defective: Bools  # (b,)


def measure(
    methods: Sequence[Method],
    tiles: ScoredTiles,
    split: str,
    rule: Score,
    alarms: Alarms | None = None,
    watch: Callable[[list[Rows]], Iterable[Rows]] = iter,
) -> dict[str, Measured]:
    """Measure every method under every setting on the tiles of a split; return name of the method -> what was measured.

    Means of tiles are over defective ones only: a good tile may hold the margin of a neighbour's box.

    Args:
        alarms: the explanations whose levels are kept and whose false alarms are measured; the pixels of all are then
            pooled, too. None: the levels of all are kept, and nothing is pooled.
        watch: wraps the list of pieces of work, to show progress.
    """
    pieces = list(chunks(tiles.rows(split)))
    # where values lie is looked up first, so that neither the order of tiles nor the size of pieces decides on bins
    measured = {
        method.name: _nothing_yet(
            method, len(tiles.rows(split)), [] if alarms is None else frames_of(map(method.read, pieces))
        )
        for method in methods
    }
    for block in _blocks(watch(pieces), tiles):
        for method in methods:
            heatmaps = method.read(block.rows)
            for setting in range(len(method.fusions)):
                levels_above = {} if alarms is None else alarms.get((method.name, setting))
                _measure_block(measured[method.name], method, setting, heatmaps[:, setting], block, rule, levels_above)
    return measured


def _measure_block(
    measured: Measured,
    method: Method,
    setting: int,
    native: Floats,
    block: Block,
    rule: Score,
    levels_above: Mapping[str, float] | None,
) -> None:
    """Measure (b, h, w) heatmaps of one setting; levels and false alarms unless `levels_above` is None."""
    probability, place = method.probability[block.rows], block.place
    frame = measured.frames[setting] if measured.frames else None
    maps = EnlargedMaps(native, method.px, method.cell_px, method.offset_px, probability, frame)
    shown = probability > rule.probability_threshold
    predicted = (maps.scaled > rule.intensity_threshold) & shown[:, None]
    predicted_px = count_rows(predicted)
    truths = {kind: block.truth[kind] for kind in method.truths}
    measured.constant[place, setting] = maps.constant
    for kind, truth in truths.items():
        known = block.known[kind]
        both = truth.sums(predicted.reshape(-1)[truth.pixels]).astype(np.int64)
        counts = counts_of(both, predicted_px, truth.area_px, predicted.shape[1])
        measured.counts[kind][place, setting] = counts * known[:, None]
        for name, metric in metrics_of(TileMean).items():
            values = metric.of(maps, truth, **{parameter: getattr(rule, parameter) for parameter in metric.parameters})
            measured.means[kind][name][place, setting] = np.where(block.defective & known, values, math.nan)
        for scale in SCALES if measured.frames else ():
            _pool(measured.histograms[kind, scale], setting, maps, truth, known, scale)
    if levels_above is not None:
        measured.levels_of_blocks.setdefault(setting, []).append(count_levels(maps, truths, shown, block.known))
        good = np.flatnonzero(shown & ~block.defective)  # tiles that are called good are black
        for name, level in levels_above.items():
            none_lit = np.zeros((len(measured.constant), 2), np.int64)
            lit = measured.lit.setdefault((setting, name), none_lit)
            lit[place.start + good] = lit_regions(maps.scaled[good].reshape(-1, method.px, method.px), level)


def _pool(
    histograms: Histograms, setting: int, maps: EnlargedMaps, truth: TruePixels, known: Bools, scale: str
) -> None:
    bins = maps.bins(scale).reshape(-1)[truth.pixels]
    inside = np.bincount(bins, minlength=BINS)
    every = maps.totals(scale) if known.all() else np.bincount(maps.bins(scale)[known].ravel(), minlength=BINS)
    histograms.inside[setting] += inside
    histograms.outside[setting] += every - inside
    histograms.regions[setting] += np.bincount(bins, weights=truth.weights, minlength=BINS)


def all_scores(measured: Mapping[str, Measured]) -> AllScores:
    """Return the scores of every method and setting over all tiles; where pixels were pooled, threshold-free ones too.

    Args:
        measured: name of a method -> what was measured of it.
    """
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for method, tiles in measured.items():
        for truth in tiles.counts:
            settings = [tiles.scores(truth, setting) for setting in range(tiles.constant.shape[1])]
            found[method, truth] = settings
            for name, metric in metrics_of(PixelHistograms).items() if tiles.frames else ():
                for scores, value in zip(settings, metric.of(tiles.histograms[truth, metric.scale]), strict=True):
                    scores[name] = float(value)
    return found


def frames_of(heatmaps: Iterable[Floats]) -> list[Frame]:
    """Return the frame of each of S settings over pieces of maps, (n, S, h, w) each."""
    pieces = [(maps.min(axis=(2, 3)), np.median(maps, axis=(2, 3)), maps.max(axis=(2, 3))) for maps in heatmaps]
    low, middle, high = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return [Frame.of(low[:, setting], middle[:, setting], high[:, setting]) for setting in range(low.shape[1])]


def defined_mean(values: Floats) -> float:
    """Return the mean of the values that are not NaN, the same in every order; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return math.fsum(defined) / len(defined) if defined.size else math.nan


def _nothing_yet(method: Method, count: int, frames: Sequence[Frame]) -> Measured:
    settings = len(method.fusions)
    return Measured(
        frames,
        np.empty((count, settings), bool),
        {kind: np.empty((count, settings, 4), np.int64) for kind in method.truths},
        {kind: {name: np.empty((count, settings)) for name in metrics_of(TileMean)} for kind in method.truths},
        {
            (kind, scale): Histograms(*(np.zeros((len(frames), BINS)) for _ in range(3)))
            for kind in method.truths
            for scale in SCALES
        },
        {},
        {},
    )


def _blocks(pieces: Iterable[Rows], tiles: ScoredTiles) -> Iterator[Block]:
    """Yield the tiles of all pieces, which are read from disk, in blocks, which are measured."""
    step, done = max(1, BLOCK_PX // tiles.px**2), 0
    for piece in pieces:
        truth = tiles.truth(piece)
        for start in range(0, len(piece), step):
            rows = piece[start : start + step]
            true = {kind: TruePixels(mask[start : start + step]) for kind, mask in truth.items()}
            yield Block(rows, slice(done, done + len(rows)), true, tiles.known(rows), tiles.defective[rows])
            done += len(rows)
