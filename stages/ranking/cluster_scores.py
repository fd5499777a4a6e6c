"""One metric of one explanation, taken apart by clusters of tiles, from what the score stage left."""

import numpy as np

from stages.metrics.clusters import ClusterParts, histogram_parts, ratio_parts, tile_sums
from stages.metrics.froc import AUROC, OF_PHOTOGRAPHS, POINTING, auroc_parts, curves_of, froc_parts, steps_of
from stages.metrics.table import METRICS, PixelHistograms
from stages.runtime.errors import InputError
from stages.scores.photographs import PhotographScores
from stages.scores.scores import Scores


def cluster_parts(metric: str, scores: Scores, truth: str, explanation: str, cluster: str) -> ClusterParts:
    """Take one metric of one explanation apart.

    A score of histograms is made of coarse ones, one for each source image, which miss the exact score by less than
    0.001. By what they miss it on all tiles, every resample is moved.

    Args:
        metric: of `METRICS` or `OF_PHOTOGRAPHS`.
        scores: of the model.
        truth: against which.
        explanation: its name in `scores`.
        cluster: column of `scores.tiles` that names the cluster of a tile: "source" or "group".

    Raises:
        KeyError: there is no such metric, or no such column.
        InputError: it is of photographs, and they were not scored by that explanation.
    """
    if metric in OF_PHOTOGRAPHS:
        own = scores.photographs
        if own is None or (truth, explanation) not in own.explanations:
            raise InputError(
                f"params.yaml: rank.metrics has {metric!r}, but {scores.folder} has no photographs by {explanation}; "
                "see `photographs` in metrics/score, explain.photographs and split.by"
            )
        return parts_of_photographs(metric, own, truth, explanation, cluster)
    kind = METRICS[metric]
    tiles = scores.tiles
    if not isinstance(kind, PixelHistograms):
        return ratio_parts(tiles[cluster], *tile_sums(metric, scores.columns(truth, explanation)))
    sources, histograms = scores.histograms(truth, explanation, kind.scale)
    cluster_of = tiles.drop_duplicates("source").set_index("source", drop=False)[cluster]
    exact = scores.pooled(truth, explanation)[metric]
    return histogram_parts(np.asarray(cluster_of.loc[sources.tolist()]), kind, histograms, exact)


def parts_of_photographs(
    metric: str, own: PhotographScores, truth: str, explanation: str, cluster: str
) -> ClusterParts:
    """Take one score of photographs apart; arguments as of `cluster_parts`, `metric` of `OF_PHOTOGRAPHS`."""
    clusters = own.photographs[cluster]
    if metric == AUROC:
        return auroc_parts(clusters, own.photographs["probability"], own.photographs["defective"])
    lines = own.regions(truth, explanation)
    if metric == POINTING:
        played = ~np.isnan(lines["pointing"].to_numpy(np.float64))
        return ratio_parts(clusters, np.where(played, lines["pointing"], 0), played)
    return froc_parts(curves_of(clusters, steps_of(lines), lines["defects"]), metric)
