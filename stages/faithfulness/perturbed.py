"""One explanation tried on a sample of tiles: the columns that scores are made of, and mean curves for the plot."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.heatmaps.maps import MethodMaps
from stages.metrics.controls import random_map
from stages.metrics.faithfulness import (
    Predict,
    curve_area,
    kept_probability,
    ordered,
    perturbation_curves,
    relevance_ranks,
    top_pixels,
)
from stages.metrics.geometry import upsample
from stages.metrics.thesis import thesis_prediction

CURVE_COLUMNS = ("row", "map", "curve", "fill", "fraction", "probability")


@dataclass(frozen=True)
class Marked:
    """What an explanation marks on n tiles of px x px."""

    heatmaps: NDArray[np.float32]  # (n, px, px)
    region: NDArray[np.bool_]  # (n, px, px) what it predicts as defect
    random_heatmaps: NDArray[np.float32]  # (n, px, px) a random map on the same cells
    random_region: NDArray[np.bool_]  # (n, px, px) as many of its most relevant pixels as `region` has, tile by tile


class CurvePoint(NamedTuple):
    """A point of a mean curve."""

    map: str  # own | random
    curve: str  # deletion | insertion
    fraction: float  # of the tile's pixels that are gone or back
    probability: float  # mean


def mark(maps: MethodMaps, setting: int, rows: NDArray[np.intp], px: int, threshold: float, seed: int) -> Marked:
    """Return what one setting of a method marks on tiles of px x px.

    Args:
        maps: of the method.
        setting: place on their second axis.
        rows: (n,) of the tiles on their first axis.
        px: side of a tile.
        threshold: `score.intensity_threshold`, above which a pixel of a heatmap scaled to 0..255 belongs to the region.
        seed: of the random map.
    """
    cells = maps.read(rows)[:, setting]
    random_cells = random_map(list(maps.tile_ids[rows]), cells.shape[1], cells.shape[2], seed)
    heatmaps, random = (upsample(values, px, maps.cell_px, maps.offset_px) for values in (cells, random_cells))
    region = thesis_prediction(heatmaps, np.ones(len(heatmaps)), threshold, 0)
    same_area = top_pixels(relevance_ranks(random), region.sum(axis=(1, 2)))
    return Marked(heatmaps, region, random, same_area)


def perturb_tiles(
    pixels: NDArray[np.uint8],
    probability: NDArray[np.float64],
    marked: Marked,
    fill: NDArray[np.uint8],
    steps: int,
    predict: Predict,
) -> tuple[dict[str, NDArray], list[CurvePoint]]:
    """Replace what an explanation marks, and what a random map marks, and follow the probability.

    Args:
        pixels: (n, H, W, 3) tiles.
        probability: (n,) of the whole tiles.
        marked: by the explanation.
        fill: (n, H, W, 3) what replaces pixels.
        steps: points of a curve besides the first.
        predict: n tiles -> their probability.

    Returns:
        The columns that `faithfulness_scores` takes, (n,) each, with `kept_px`, the pixels of the region; and the
        points of the mean curves. Both means are over the tiles whose own heatmap orders pixels: the random map's too,
        so that two lines compare.
    """
    columns = {"probability": probability, "kept_px": marked.region.sum(axis=(1, 2))}
    points, counted = [], ordered(marked.heatmaps)
    for map_name, prefix, heatmaps, region in (
        ("own", "", marked.heatmaps, marked.region),
        ("random", "random_", marked.random_heatmaps, marked.random_region),
    ):
        for curve, values in perturbation_curves(pixels, heatmaps, fill, steps, predict).items():
            columns[prefix + curve] = curve_area(values)
            means = values[counted].mean(axis=0) if counted.any() else np.full(steps + 1, np.nan)
            points += [CurvePoint(map_name, curve, step / steps, float(mean)) for step, mean in enumerate(means)]
        columns[f"{prefix}kept"] = kept_probability(pixels, region, fill, predict)
    return columns, points
