"""Every score of heatmaps, once: what it is made of, and so how it is pooled over any set of tiles.

The score stage writes all of them, rank compares any of them, and intervals of any of them come from `cluster_parts`.
Adding one is a line in `METRICS`. All are 0..1, and higher is better.

Three kinds, by what is added up over tiles:

    PixelCounts      a ratio of two sums of pixels: those of the predicted masks, pooled
    TileMean         a mean over the tiles where the score is defined
    PixelHistograms  a score of how the values of all pixels are distributed inside and outside the truth, pooled
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from numpy.typing import NDArray

from stages.metrics.pixel_ranking import Histograms

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
    """A mean over the tiles where the score of that name is defined (`stages.scoring.localisation.measure_tiles`)."""

    shows: str


@dataclass(frozen=True)
class PixelHistograms:
    """A score of pooled pixels, without a threshold."""

    of: Callable[[Histograms], NDArray]  # histograms (..., bins) -> (...)
    scale: str  # of `SCALES`: which values of the pixels are pooled
    shows: str


Metric = PixelCounts | TileMean | PixelHistograms
Kind = TypeVar("Kind", PixelCounts, TileMean, PixelHistograms)

# Which values of the pixels are pooled over tiles.
# raw: the heatmap's own, as AUPRO and the others are defined. Where a method's maps have another scale on each tile (as
# attention rollout, which spreads the same mass over every tile) good and defective tiles look alike, and it fares ill.
# gated: scaled to 0..1 within each tile, times the tile's probability of a defect. The classifier puts the tiles in
# order, so that even a random map behind a good classifier is far above chance: compare with the random map's.
RAW, GATED = "raw", "gated"
SCALES = (RAW, GATED)
_ONE_THRESHOLD = "whether one threshold for all tiles would do"
_BOTH = "heatmap and classifier together: scaled within the tile, times the tile's probability of a defect"

METRICS: Mapping[str, Metric] = {
    # the thesis' equations 2.5, 2.3, 2.6, 2.7 and 2.4
    "f1": PixelCounts((2, 0, 0, 0), (2, 1, 1, 0), "precision and recall in one"),
    "precision": PixelCounts((1, 0, 0, 0), (1, 1, 0, 0), "how much of what is marked is defect"),
    "jaccard": PixelCounts((1, 0, 0, 0), (1, 1, 1, 0), "intersection over union (IoU) of the defect"),
    "accuracy": PixelCounts((1, 0, 0, 1), (1, 1, 1, 1), "right pixels; high wherever defects are small"),
    "recall": PixelCounts((1, 0, 0, 0), (1, 0, 1, 0), "how much of the defect is marked"),
    "pointing_game": TileMean("whether the hottest cell's centre is in the truth"),
    "pointing_game_near": TileMean("the same, or closer to it than score.tolerance_px"),
    "weighting_game": TileMean("the share of positive relevance that is in the truth"),
    "tile_average_precision": TileMean("whether the pixels of a tile are in the right order, whatever their scale"),
    "pixel_average_precision": PixelHistograms(Histograms.average_precision, RAW, _ONE_THRESHOLD),
    "pixel_auroc": PixelHistograms(Histograms.auroc, RAW, _ONE_THRESHOLD + "; high wherever defects are small"),
    "aupro": PixelHistograms(Histograms.aupro, RAW, _ONE_THRESHOLD + ", every region of the truth weighing the same"),
    "gated_pixel_average_precision": PixelHistograms(Histograms.average_precision, GATED, _BOTH),
    "gated_pixel_auroc": PixelHistograms(Histograms.auroc, GATED, _BOTH),
    "gated_aupro": PixelHistograms(Histograms.aupro, GATED, _BOTH),
    "validation_iou": PixelCounts((1, 0, 0, 0), (1, 1, 1, 0), "IoU by a threshold that validation chose", VALIDATION),
}


def metrics_of(kind: type[Kind]) -> dict[str, Kind]:
    """Return the metrics of one kind in the order of the table."""
    return {name: own for name, own in METRICS.items() if isinstance(own, kind)}
