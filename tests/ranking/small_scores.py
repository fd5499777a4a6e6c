"""Explanations with scores of a few tiles, small enough to work their differences out by hand."""

import numpy as np

from stages.metrics.clusters import ratio_parts, tile_sums
from stages.metrics.intervals import draw_clusters


def scores_of(*rows, clusters=None):
    """Return explanations x seeds x one metric, of scores of single tiles: each its own cluster where none is given."""
    return [[[parts(seed, clusters)] for seed in seeds] for seeds in rows]


def parts(values, clusters=None):
    sums = tile_sums("score", {"score": np.array(values, float)})
    return ratio_parts(np.arange(len(values)) if clusters is None else clusters, *sums)


def draws(count, resamples=200):
    return draw_clusters(count, resamples, seed=0)
