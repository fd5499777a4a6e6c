"""Every score of heatmaps, once: what it is made of, and so how it is pooled over any set of tiles.

The score stage writes all of them, rank compares any of them, and intervals of any of them come from `cluster_parts`.
Adding one is a file with its function and a line in `METRICS`. All are 0..1, and higher is better.

Three kinds, by what is added up over tiles:

    PixelCounts      a ratio of two sums of pixels: those of the predicted masks, pooled
    TileMean         a mean over the tiles where the score is defined
    PixelHistograms  a score of how the values of all pixels are distributed inside and outside the truth, pooled
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from numpy.typing import NDArray

from stages.metrics.aupro import aupro
from stages.metrics.auroc import auroc
from stages.metrics.average_precision import average_precision, tile_average_precision
from stages.metrics.enlarged import GATED, RAW
from stages.metrics.histograms import Histograms
from stages.metrics.pointing import pointing_game
from stages.metrics.weighting import weighting_game

Weights = tuple[int, int, int, int]  # of TP, FP, FN, TN

COUNTS = ("tp", "fp", "fn", "tn")  # columns of data/scores/<model>/tiles.parquet, in pixels
VALIDATION = "validation_"  # begins the names of those at the one threshold that validation tiles chose


@dataclass(frozen=True)
class PixelCounts:
    """A ratio of two weighted sums of TP, FP, FN and TN, pooled over tiles; undefined where the lower one is 0."""

    above: Weights
    below: Weights
    shows: str
    masks: str = ""  # "": the thesis' masks | VALIDATION: masks by the threshold that validation tiles chose

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that hold TP, FP, FN and TN of each tile."""
        return tuple(self.masks + name for name in COUNTS)


@dataclass(frozen=True)
class TileMean:
    """A mean over the tiles where the score is defined, that is, not NaN."""

    of: Callable[..., NDArray]  # EnlargedMaps, TruePixels of b tiles, then the `parameters` by name -> (b,)
    shows: str
    parameters: tuple[str, ...] = ()  # names of values in the section `score` of params.yaml


@dataclass(frozen=True)
class PixelHistograms:
    """A score of pooled pixels, without a threshold."""

    of: Callable[[Histograms], NDArray]  # histograms (..., bins) -> (...)
    scale: str  # of `stages.metrics.enlarged.SCALES`: which values of the pixels are pooled
    shows: str


Metric = PixelCounts | TileMean | PixelHistograms
Kind = TypeVar("Kind", PixelCounts, TileMean, PixelHistograms)

_ONE_THRESHOLD = "whether one threshold for all tiles would do"
_BOTH = "heatmap and classifier together: scaled within the tile, times the tile's probability of a defect"

METRICS: Mapping[str, Metric] = {
    # the thesis' equations 2.5, 2.3, 2.6, 2.7 and 2.4
    "f1": PixelCounts((2, 0, 0, 0), (2, 1, 1, 0), "precision and recall in one"),
    "precision": PixelCounts((1, 0, 0, 0), (1, 1, 0, 0), "how much of what is marked is defect"),
    "jaccard": PixelCounts((1, 0, 0, 0), (1, 1, 1, 0), "intersection over union (IoU) of the defect"),
    "accuracy": PixelCounts((1, 0, 0, 1), (1, 1, 1, 1), "right pixels; high wherever defects are small"),
    "recall": PixelCounts((1, 0, 0, 0), (1, 0, 1, 0), "how much of the defect is marked"),
    "pointing_game": TileMean(pointing_game, "whether the hottest cell's centre is in the truth"),
    "pointing_game_near": TileMean(
        pointing_game, "the same, or closer to it than score.tolerance_px", ("tolerance_px",)
    ),
    "weighting_game": TileMean(weighting_game, "the share of positive relevance that is in the truth"),
    "tile_average_precision": TileMean(
        tile_average_precision, "whether the pixels of a tile are in the right order, whatever their scale"
    ),
    "pixel_average_precision": PixelHistograms(average_precision, RAW, _ONE_THRESHOLD),
    "pixel_auroc": PixelHistograms(auroc, RAW, _ONE_THRESHOLD + "; high wherever defects are small"),
    "aupro": PixelHistograms(aupro, RAW, _ONE_THRESHOLD + ", every region of the truth weighing the same"),
    "gated_pixel_average_precision": PixelHistograms(average_precision, GATED, _BOTH),
    "gated_pixel_auroc": PixelHistograms(auroc, GATED, _BOTH),
    "gated_aupro": PixelHistograms(aupro, GATED, _BOTH),
    "validation_iou": PixelCounts((1, 0, 0, 0), (1, 1, 1, 0), "IoU by a threshold that validation chose", VALIDATION),
}


def metrics_of(kind: type[Kind]) -> dict[str, Kind]:
    """Return the metrics of one kind in the order of the table.

    >>> list(metrics_of(TileMean))
    ['pointing_game', 'pointing_game_near', 'weighting_game', 'tile_average_precision']
    """
    return {name: metric for name, metric in METRICS.items() if isinstance(metric, kind)}


PIXEL_SCORES = tuple(name for name, metric in metrics_of(PixelCounts).items() if not metric.masks)
SCORES = (*PIXEL_SCORES, *metrics_of(TileMean))  # what validation can choose a setting by
