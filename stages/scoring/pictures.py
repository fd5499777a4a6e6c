"""What pictures of test tiles show: heatmap, prediction and hit under one explanation; every method's heatmap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.heatmaps.maps import Maps
from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.pointing import pointing_game
from stages.metrics.thesis import thesis_prediction
from stages.scores.scores import Explanation
from stages.scoring.tiles import Rows, ScoredTiles


def under_explanation(
    tiles: ScoredTiles,
    maps: Maps,
    explanation: Explanation,
    rows: Rows,
    intensity_threshold: float,
    probability_threshold: float,
) -> dict[str, Any]:
    """Return what the gallery shows of n tiles (`stages.figures.gallery.gallery_tiles` takes it by these names).

    Args:
        rows: (n,) of the tiles.
        intensity_threshold, probability_threshold: see `stages.metrics.thesis.thesis_prediction`.

    Returns:
        images (n, px, px, 3) RGB; truths: kind -> (n, px, px); heatmaps (n, px, px); predictions (n, px, px);
        probability (n,) of a defect; defective (n,); threshold: that of the probability; hits: kind -> (n,) of the
        pointing game: 1, 0 or NaN.
    """
    method = maps.methods[explanation.method]
    native = method.read(tiles.maps_rows[rows])[:, explanation.setting]
    enlarged = EnlargedMaps(native, tiles.px, method.cell_px, method.offset_px)
    heatmaps, probability = enlarged.raw.reshape(-1, tiles.px, tiles.px), tiles.probability[rows]
    truths = tiles.truth(rows)
    return {
        "images": tiles.images(rows),
        "truths": truths,
        "heatmaps": heatmaps,
        "predictions": thesis_prediction(heatmaps, probability, intensity_threshold, probability_threshold),
        "probability": probability,
        "defective": tiles.defective[rows],
        "threshold": probability_threshold,
        "hits": {kind: pointing_game(enlarged, TruePixels(truth)) for kind, truth in truths.items()},
    }


def first_heatmaps(tiles: ScoredTiles, maps: Maps, rows: Rows) -> dict[str, tuple[NDArray[np.float32], float, float]]:
    """Return title of every method -> n heatmaps (n, h, w) under its first setting, cell_px, offset_px."""
    return {
        (name if len(method.names) == 1 else f"{name} {method.names[0]}"): (
            method.read(tiles.maps_rows[rows])[:, 0],
            method.cell_px,
            method.offset_px,
        )
        for name, method in maps.methods.items()
    }
