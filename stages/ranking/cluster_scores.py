"""One metric of one explanation, taken apart by clusters of tiles, from what the score stage left."""

import numpy as np

from stages.metrics.clusters import ClusterParts, histogram_parts, ratio_parts, tile_sums
from stages.metrics.table import METRICS, PixelHistograms
from stages.scores.scores import Scores


def cluster_parts(metric: str, scores: Scores, truth: str, explanation: str, cluster: str) -> ClusterParts:
    """Take one metric of one explanation apart.

    A score of histograms is made of coarse ones, one for each source image, which miss the exact score by less than
    0.001. By what they miss it on all tiles, every resample is moved.

    Args:
        metric: of `METRICS`.
        scores: of the model.
        truth: against which.
        explanation: its name in `scores`.
        cluster: column of `scores.tiles` that names the cluster of a tile: "source" or "group".

    Raises:
        KeyError: there is no such metric, or no such column.
    """
    kind = METRICS[metric]
    tiles = scores.tiles
    if not isinstance(kind, PixelHistograms):
        return ratio_parts(tiles[cluster], *tile_sums(metric, scores.columns(truth, explanation)))
    sources, histograms = scores.histograms(truth, explanation, kind.scale)
    cluster_of = tiles.drop_duplicates("source").set_index("source", drop=False)[cluster]
    exact = scores.pooled(truth, explanation)[metric]
    return histogram_parts(np.asarray(cluster_of.loc[sources.tolist()]), kind, histograms, exact)
