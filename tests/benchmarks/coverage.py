"""`python -m tests.benchmarks.coverage`: how often a 95% interval holds the truth, by number of clusters.

Data sets are drawn whose truth is known: clusters of unequal size (coefficient of variation 0.7), with a difficulty
of their own that their tiles share, and that two rows share in part. Printed is the share of intervals that hold the
score of infinitely many clusters, in percent, and their mean width: of `stages.metrics.intervals.Jackknife`, and of the
percentile bootstrap of clusters.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import beta, norm

from stages.metrics.average_precision import average_precision
from stages.metrics.histograms import Histograms
from stages.metrics.intervals import Jackknife, draw_clusters, resampled_range, shares_of

CLUSTERS = (2, 3, 5, 12, 30)
TILES = 12  # in a cluster, on average
BINS = 24
MANY = 50_000  # clusters that stand for infinitely many

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """One row on S data sets of C clusters."""

    parts: Floats  # (S, C, P) what each cluster adds to P sums
    weights: Floats  # (S, C) what the score averages over
    score: Callable[[Floats], Floats]  # sums (..., P) -> (...)

    def jackknife(self) -> Jackknife:
        """Return the scores of the S data sets."""
        total = self.parts.sum(axis=1)
        without = self.score(total[:, None] - self.parts).T
        return Jackknife(self.score(total), without, shares_of(self.weights.T))

    def resampled(self, draws: Floats) -> Floats:
        """Return the scores in resamples (R, C) of the clusters: (R, S)."""
        return self.score(np.einsum("rc,scp->rsp", draws, self.parts, optimize=True))


Scenario = Callable[[np.random.Generator, int, int], tuple[Drawn, ...]]  # data sets, clusters -> one row or two


def _ratio(sums: Floats) -> Floats:
    return sums[..., 0] / sums[..., 1]


def _of_ratio(above: Floats, below: Floats) -> Drawn:
    return Drawn(np.stack([above, below], axis=-1), below, _ratio)


def _average_precision(sums: Floats) -> Floats:
    inside, outside = sums[..., :BINS], sums[..., BINS:]
    return average_precision(Histograms(inside, outside, inside))


def _tiles(rng: np.random.Generator, data_sets: int, clusters: int, tiles: int) -> NDArray[np.int64]:
    scale = np.sqrt(np.log(1 + 0.7**2))
    drawn = rng.lognormal(np.log(tiles) - scale**2 / 2, scale, (data_sets, clusters))
    return np.maximum(1, np.round(drawn)).astype(np.int64)


def _difficulties(rng: np.random.Generator, shape: tuple[int, int], rows: int) -> Floats:
    """(rows, S, C) standard normal, of which rows share 0.6 of the variance."""
    common = rng.normal(size=shape)
    return np.sqrt(0.6) * common + np.sqrt(0.4) * rng.normal(size=(rows, *shape))


def pixel_f1(*logits: float, spread: float = 0.8) -> Scenario:
    """F1 pooled over pixels, about expit(logit) for each row; the extent of defects varies between clusters."""

    def draw(rng: np.random.Generator, data_sets: int, clusters: int) -> tuple[Drawn, ...]:
        tiles = _tiles(rng, data_sets, clusters, TILES)
        truth = tiles * rng.lognormal(5, 0.5, tiles.shape)
        rows = []
        for logit, hard in zip(logits, _difficulties(rng, tiles.shape, len(logits)), strict=True):
            own = spread * hard + rng.normal(size=tiles.shape) / np.sqrt(tiles)
            found = truth * expit(logit + own)
            false = truth * np.exp(-logit - 0.6 * own + 0.5 * rng.normal(size=tiles.shape))
            rows.append(_of_ratio(2 * found, found + truth + false))
        return tuple(rows)

    return draw


def pointing_game(*means: float, alike: float = 0.1, tiles: int = TILES) -> Scenario:
    """Hits of tiles, whose probability is drawn for each cluster from a beta distribution (`alike`: correlation)."""

    def draw(rng: np.random.Generator, data_sets: int, clusters: int) -> tuple[Drawn, ...]:
        count = _tiles(rng, data_sets, clusters, tiles)
        strength = (1 - alike) / alike
        rows = []
        for mean, hard in zip(means, _difficulties(rng, count.shape, len(means)), strict=True):
            chance = beta.ppf(norm.cdf(hard), mean * strength, (1 - mean) * strength)
            rows.append(_of_ratio(rng.binomial(count, chance).astype(float), count.astype(float)))
        return tuple(rows)

    return draw


def pixel_average_precision(*apart: float) -> Scenario:
    """Average precision of pooled histograms; pixels of the truth have values so much higher than the others."""

    def draw(rng: np.random.Generator, data_sets: int, clusters: int) -> tuple[Drawn, ...]:
        tiles = _tiles(rng, data_sets, clusters, TILES)
        edges = np.linspace(-2.5, 5, BINS + 1)[1:-1]
        rows = []
        for own, hard in zip(apart, _difficulties(rng, tiles.shape, len(apart)), strict=True):
            inside, outside = (
                np.diff(norm.cdf(edges - shift[..., None]), axis=-1, prepend=0, append=1)
                for shift in (own + 0.6 * hard, 0.3 * rng.normal(size=tiles.shape))
            )
            extent = tiles * rng.lognormal(0, 0.5, tiles.shape)
            parts = np.concatenate([extent[..., None] * inside, 9 * tiles[..., None] * outside], axis=-1)
            rows.append(Drawn(parts, extent, _average_precision))
        return tuple(rows)

    return draw


SCENARIOS: Mapping[str, Scenario] = {
    "F1 near 0.16": pixel_f1(-0.8),
    "F1 near 0.45": pixel_f1(0.3),
    "F1 near 0.84": pixel_f1(2.0),
    "F1 near 0.39, clusters very unlike": pixel_f1(0.3, spread=1.5),
    "pointing game 0.95": pointing_game(0.95),
    "pointing game 0.95, 3 tiles": pointing_game(0.95, tiles=3),
    "pointing game 0.95, 40 tiles": pointing_game(0.95, alike=0.05, tiles=40),
    "pointing game 0.5": pointing_game(0.5, alike=0.2),
    "pointing game 0.05": pointing_game(0.05),
    "pixel average precision": pixel_average_precision(1.5),
    "F1, difference of equal rows": pixel_f1(0.3, 0.3),
    "F1, difference": pixel_f1(0.8, 0.3),
    "pointing game, 0.95 - 0.9": pointing_game(0.95, 0.9),
    "pointing game, 0.5 - 0.45": pointing_game(0.5, 0.45, alike=0.2),
    "pointing game, 0.95 - 0.05": pointing_game(0.95, 0.05),
    "pixel average precision, difference": pixel_average_precision(1.5, 1.2),
}


@dataclass(frozen=True)
class Coverage:
    """Of one method on one scenario with C clusters."""

    held: float  # share of the intervals that hold the truth
    width: float  # their mean width


def truth_of(scenario: Scenario, seed: int) -> float:
    """Return the score, or the difference of two, of very many clusters."""
    rows = scenario(np.random.default_rng(seed), MANY // 500, 500)
    values = [float(row.score(row.parts.sum(axis=(0, 1)))) for row in rows]
    return values[0] - sum(values[1:])


def cover(scenario: Scenario, truth: float, clusters: int, data_sets: int, seed: int) -> Coverage:
    """Return how the jackknife's intervals do."""
    rows = [row.jackknife() for row in scenario(np.random.default_rng(seed), data_sets, clusters)]
    return _coverage((rows[0] - rows[1] if rows[1:] else rows[0]).interval(), truth)


def cover_percentile(scenario: Scenario, truth: float, clusters: int, data_sets: int, seed: int) -> Coverage:
    """Return how those of the percentile bootstrap of clusters do."""
    draws = draw_clusters(clusters, 400, seed)
    rows = [row.resampled(draws) for row in scenario(np.random.default_rng(seed), data_sets, clusters)]
    return _coverage(resampled_range(rows[0] - rows[1] if rows[1:] else rows[0]), truth)


def _coverage(interval: tuple[Floats, Floats], truth: float) -> Coverage:
    low, high = interval
    return Coverage(float(((low <= truth) & (truth <= high)).mean()), float((high - low).mean()))


def main() -> None:
    """Print one line per scenario and number of clusters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{'held (width) with clusters:':36s}" + "".join(f"{clusters:>14d}" for clusters in CLUSTERS))
    for name, scenario in SCENARIOS.items():
        truth = truth_of(scenario, arguments.seed)
        for title, method, data_sets in (
            ("bootstrap", cover_percentile, max(2, arguments.data_sets // 4)),
            ("jackknife", cover, arguments.data_sets),
        ):
            found = [method(scenario, truth, clusters, data_sets, arguments.seed) for clusters in CLUSTERS]
            cells = "".join(f"{own.held:>7.1%} ({own.width:.2f})" for own in found)
            print(f"{name if title == 'bootstrap' else '':36s}{cells}  {title}", flush=True)


if __name__ == "__main__":
    main()
