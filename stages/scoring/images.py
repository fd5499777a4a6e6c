"""Histograms of each source image, coarse enough to be kept: for resamples of pooled threshold-free scores.

Images are the finest clusters that are ever drawn again, so nothing finer is kept. Which values share a coarse bin
follows from the pixels of all images, which do not fit in memory: here, and only here, the heatmaps of the chosen
explanations are enlarged a second time.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.histograms import Histograms, quantile_bins
from stages.scores.scores import Explanation, ImageHistograms
from stages.scoring.measure import Measured
from stages.scoring.methods import Method
from stages.scoring.tiles import ScoredTiles, chunks


class CoarseHistograms:
    """Coarse histograms of I source images by one explanation against one truth, values of one scale.

    Args:
        images: how many there are.
        whole: (65536,) histograms of the pixels of all of them: they decide on the coarse bins.
    """

    def __init__(self, images: int, whole: Histograms) -> None:
        self._coarse = quantile_bins(whole)
        self._starts = np.flatnonzero(np.diff(self._coarse, prepend=-1))
        self.of = Histograms(*(np.zeros((images, len(self._starts))) for _ in range(3)))

    def add(self, image: int, bins: NDArray[np.uint16], totals: NDArray[np.integer], truth: TruePixels) -> None:
        """Add the pixels of some tiles of one image.

        Args:
            bins: (b, pixels) fine bin of each pixel.
            totals: (65536,) how often each occurs.
            truth: of the same tiles.
        """
        places, count = self._coarse[bins.reshape(-1)[truth.pixels]], len(self._starts)
        inside = np.bincount(places, minlength=count)
        self.of.inside[image] += inside
        self.of.outside[image] += np.add.reduceat(totals, self._starts) - inside
        self.of.regions[image] += np.bincount(places, weights=truth.weights, minlength=count)


def image_histograms(
    explanations: Mapping[str, Explanation],
    methods: Sequence[Method],
    measured: Mapping[str, Measured],
    tiles: ScoredTiles,
) -> Iterator[ImageHistograms]:
    """Yield the histograms of the source images of test tiles: by explanation (sorted by name), truth and scale.

    Args:
        measured: name of a method -> what was measured on test tiles.
    """
    rows = tiles.rows("test")
    names, images = np.unique(tiles.index["source"].to_numpy(dtype=object)[rows], return_inverse=True)
    found = {
        name: {
            key: CoarseHistograms(len(names), of_setting(whole, explanations[name].setting))
            for key, whole in measured[explanations[name].method].histograms.items()
        }
        for name in sorted(explanations)
    }
    of_name = {method.name: method for method in methods}
    for image in range(len(names)):
        for piece in chunks(rows[images == image]):
            known = tiles.known(piece)  # the same for all tiles of an image
            truth = {kind: TruePixels(mask) for kind, mask in tiles.truth(piece).items() if known[kind].all()}
            for name, histograms in found.items():
                method, setting = of_name[explanations[name].method], explanations[name].setting
                native, frame = method.read(piece)[:, setting], measured[method.name].frames[setting]
                place = method.px, method.cell_px, method.offset_px
                maps = EnlargedMaps(native, *place, method.probability[piece], frame)
                for (kind, scale), coarse in histograms.items():
                    if kind in truth:
                        coarse.add(image, maps.bins(scale), maps.totals(scale), truth[kind])
    for name, histograms in found.items():
        for (kind, scale), coarse in histograms.items():
            parts = coarse.of.inside, coarse.of.outside, coarse.of.regions
            yield ImageHistograms(kind, name, scale, names, *parts)


def of_setting(histograms: Histograms, setting: int) -> Histograms:
    """Return the histograms (bins,) of one of S settings, (S, bins)."""
    return Histograms(histograms.inside[setting], histograms.outside[setting], histograms.regions[setting])
