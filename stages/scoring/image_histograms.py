"""Histograms of each source image, coarse enough to be kept: for resamples of pooled threshold-free scores.

Images are the finest clusters that are ever drawn again, so nothing finer is kept.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stages.metrics.pixel_ranking import BINS, Histograms, quantile_bins
from stages.metrics.table import SCALES
from stages.scoring.enlarged import Mask, Values


class CoarseHistograms:
    """Coarse histograms of I source images by one explanation under one setting, against every truth and scale.

    Args:
        images: how many there are.
        whole: (truth, scale) -> (65536,) histograms of the pixels of all of them: they decide on the coarse bins.
    """

    def __init__(self, images: int, whole: Mapping[tuple[str, str], Histograms]) -> None:
        self._coarse = {key: quantile_bins(own) for key, own in whole.items()}
        self._starts = {key: np.flatnonzero(np.diff(own, prepend=-1)) for key, own in self._coarse.items()}
        self.of = {  # (truth, scale) -> (I, coarse bins)
            key: Histograms(*(np.zeros((images, len(own))) for _ in range(3))) for key, own in self._starts.items()
        }

    def add(self, values: Values, masks: Mapping[str, Mask], images: NDArray[np.integer]) -> None:
        """Add the pixels of b tiles.

        Args:
            values: of the tiles.
            masks: truth -> the same tiles.
            images: (b,) number of the image that each tile is part of; tiles of one image follow one another.
        """
        ends = np.flatnonzero(np.diff(images, append=-1)) + 1
        for start, stop in zip([0, *ends[:-1]], ends, strict=True):
            block, image = slice(int(start), int(stop)), int(images[start])
            for scale in SCALES:
                bins = values.bins(scale)[block].reshape(-1)
                every = np.bincount(bins, minlength=BINS)
                for kind, mask in masks.items():
                    self._add(self.of[kind, scale], (kind, scale), image, every, bins[mask.of(block)], mask, block)

    def _add(
        self,
        histograms: Histograms,
        key: tuple[str, str],
        image: int,
        every: NDArray[np.integer],
        own: NDArray[np.uint16],
        mask: Mask,
        block: slice,
    ) -> None:
        places, count = self._coarse[key][own], histograms.inside.shape[1]
        inside = np.bincount(places, minlength=count)
        histograms.inside[image] += inside
        histograms.outside[image] += np.add.reduceat(every, self._starts[key]) - inside
        histograms.regions[image] += np.bincount(places, weights=mask.weights_of(block), minlength=count)
