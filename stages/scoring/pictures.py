"""What pictures of test tiles show: heatmap, prediction and hit under one explanation; every method's heatmap."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.heatmaps.maps import Maps
from stages.metrics.enlarged import EnlargedMaps, TruePixels
from stages.metrics.pointing import pointing_game
from stages.metrics.thesis import thesis_prediction
from stages.runtime.errors import InputError
from stages.scores.scores import Explanation
from stages.scoring.tiles import Rows, ScoredTiles


class Seen(NamedTuple):
    """What n tiles show under one explanation."""

    heatmaps: NDArray[np.float32]  # (n, px, px)
    predictions: NDArray[np.bool_]  # (n, px, px)
    hits: dict[str, NDArray[np.float64]]  # kind of truth -> (n,) of the pointing game: 1, 0 or NaN


def under_explanation(
    tiles: ScoredTiles,
    maps: Maps,
    explanation: Explanation,
    rows: Rows,
    intensity_threshold: float,
    probability_threshold: float,
) -> Seen:
    """Return what the gallery shows of tiles besides their pixels.

    Args:
        tiles, maps: of one model.
        explanation: the method and its setting.
        rows: (n,) of the tiles.
        intensity_threshold, probability_threshold: see `stages.metrics.thesis.thesis_prediction`.
    """
    method = maps.methods[explanation.method]
    native = method.read(tiles.maps_rows[rows])[:, explanation.setting]
    enlarged = EnlargedMaps(native, tiles.px, method.cell_px, method.offset_px)
    heatmaps = enlarged.raw.reshape(-1, tiles.px, tiles.px)
    predictions = thesis_prediction(heatmaps, tiles.probability[rows], intensity_threshold, probability_threshold)
    hits = {kind: pointing_game(enlarged, TruePixels(truth)) for kind, truth in tiles.truth(rows).items()}
    return Seen(heatmaps, predictions, hits)


def chosen_heatmaps(
    tiles: ScoredTiles, maps: Maps, rows: Rows, explanations: Mapping[str, Explanation], best: str
) -> dict[str, tuple[NDArray[np.float32], float, float]]:
    """Return title of every method -> n heatmaps (n, h, w), cell_px, offset_px, under the setting that was chosen.

    Validation chose one setting for each fusion. The fusion is that of the best explanation; of a method without it,
    the first.

    Args:
        tiles, maps: of one model.
        rows: (n,) of the tiles.
        explanations: name -> explanation, in the order of the methods' settings.
        best: name of the one that validation prefers.

    Raises:
        InputError: the maps have a method that the explanations have not.
    """
    found = {}
    for name, method in maps.methods.items():
        settings = {each.fusion: each.setting for each in explanations.values() if each.method == name}
        if not settings:
            raise InputError(f"{maps.folder}: has maps of {name}, which has no scores; run the score stage again")
        setting = settings.get(explanations[best].fusion, next(iter(settings.values())))
        title = name if len(method.names) == 1 else f"{name} {method.names[setting]}"
        found[title] = method.read(tiles.maps_rows[rows])[:, setting], method.cell_px, method.offset_px
    return found
