"""What a smaller precision does to the calls of a model and to its map: the same validation tiles before and after."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.classification.image_scores import binary_scores
from stages.exports.metadata import Heatmap, Thresholds
from stages.exports.reference import defect_probability
from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.pointing import pointing_game
from stages.models.trained import Description
from stages.records.tiles import Tiles

BLOCK = 64  # tiles enlarged at a time

Floats = NDArray[np.floating]
Outputs = Mapping[str, Floats]


@dataclass(frozen=True)
class MapChange:
    """Sums over the defective tiles of a block, from which means are made."""

    ious: list[float]
    pointing: dict[str, list[float]]  # before, after


def conversion_effects(
    before: Outputs, after: Outputs, tiles: Tiles, description: Description, heatmap: Heatmap, thresholds: Thresholds
) -> dict[str, dict[str, float]]:
    """Return what changed: `before` and `after` each with accuracy and average_precision, of the calls good or
    defective, and pointing_game; and `map_iou`, of the lit pixels before and after.

    Maps are compared on defective tiles, whatever the classifier says of them; the pointing game is played against the
    first truth that there is (boxes before exact masks). NaN where there is none.

    Args:
        before, after: outputs of the graph in float32 and in the other precision, of all tiles.
        tiles: their pixels and truth.
        description: of the classifier.
        heatmap, thresholds: as in the metadata.
    """
    defective = tiles.labels
    found: dict[str, dict[str, float]] = {}
    for name, outputs in (("before", before), ("after", after)):
        probability = defect_probability(outputs["probability"], description.classes)
        scores = binary_scores(probability, defective, thresholds.decision)
        found[name] = {score: scores[score] for score in ("accuracy", "average_precision")}
    ious: list[float] = []
    hits: dict[str, list[float]] = {"before": [], "after": []}
    rows = np.flatnonzero(defective)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        maps = {
            name: EnlargedMaps(outputs["heatmap"][some], description.px, heatmap.cell_px, heatmap.offset_px)
            for name, outputs in (("before", before), ("after", after))
        }
        ious += map_ious(*(each.scaled > thresholds.heatmap_level for each in maps.values())).tolist()
        if tiles.truths:
            truth = TruePixels(tiles.truth(tiles.truths[0], some))
            for name, each in maps.items():
                hits[name] += pointing_game(each, truth).tolist()
    for name, each_hit in hits.items():
        found[name]["pointing_game"] = _mean(each_hit)
    return {**found, "maps": {"map_iou": _mean(ious), "defective_tiles": float(len(rows))}}


def map_ious(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (n,) the intersection over union of the lit pixels of n maps, (n, pixels); NaN where neither has any."""
    both, either = (before & after).sum(axis=1), (before | after).sum(axis=1)
    return np.where(either > 0, both / np.maximum(either, 1), math.nan)


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
