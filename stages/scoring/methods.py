"""What is compared: explanation methods and controls under all their settings, and how their heatmaps are read.

Under one of its settings a method is an explanation (`stages.scores.scores.Explanation`), a row of every table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.classification.score_calibration import probability_of
from stages.heatmaps.maps import Maps, MethodMaps
from stages.metrics.controls import CONTROLS, centre_prior, edge_map, grid_truth, random_map
from stages.scoring.tiles import Rows, ScoredTiles, chunks

RANDOMISED = "_randomised"  # ends the name of a method run on the model with randomised weights
REFINED, BLURRED = "_guided", "_blur"  # end the names of the first method refined by the tile, and as smooth without it


@dataclass(frozen=True)
class Method:
    """Heatmaps of N tiles by one method or control, under S settings."""

    name: str
    fusions: tuple[str, ...]  # S
    discards: tuple[float, ...]  # S
    grid: tuple[int, int]  # rows and columns of cells
    px: int  # side of a tile
    cell_px: float  # side of a cell; see `stages.metrics.geometry`
    offset_px: float
    own: bool  # the model's own method: the first of `explain.methods` of its family that fits it
    control: bool
    read: Callable[[Rows], NDArray[np.floating]]  # rows of the N tiles -> (n, S, h, w)
    probability: NDArray[np.float64]  # (N,) of a defect: with which it is scored
    truths: tuple[str, ...]  # against which it is scored
    reference: bool = False  # no explanation of the model, but another detector's map of the same tiles

    @property
    def geometry(self) -> tuple[int, int, float, float]:
        """What two methods share whose cells lie in the same places."""
        return (*self.grid, self.cell_px, self.offset_px)


def methods_of(maps: Maps, tiles: ScoredTiles, seed: int) -> list[Method]:
    """Return the methods that explain wrote, the model's own first, and the controls on that one's grid.

    A reference has a score of each tile, too, which a logistic curve through validation tiles makes a probability, one
    half where calling tiles is best. By it its maps are black or not, as the model's are by the model's. So the three
    numbers of that curve are all that `nearest_good` ever learns of defects.

    Args:
        seed: of the random map.
    """

    def of_method(name: str) -> Method:
        written = maps.methods[name]
        return Method(
            name,
            written.fusions,
            written.discards,
            (written.values.shape[2], written.values.shape[3]),
            tiles.px,
            written.cell_px,
            written.offset_px,
            written is maps.primary,
            written.control or name.endswith(RANDOMISED),
            lambda rows: written.read(tiles.maps_rows[rows]),
            _probability(written, tiles),
            tiles.truths,
            written.tile_scores is not None,
        )

    methods = [of_method(name) for name in maps.methods]
    like = methods[0]
    place = like.cell_px, like.offset_px
    ids = tiles.index["tile_id"].tolist()
    every = np.arange(len(ids))
    edges = [edge_map(tiles.images(piece), *like.grid, *place) for piece in chunks(every)]
    heatmaps = {
        "centre_prior": centre_prior(len(ids), *like.grid, tiles.px, *place),
        "random_map": random_map(ids, *like.grid, seed),
        "edge_map": np.concatenate(edges),
    }
    controls = [_in_memory(name, heatmaps[name], like, tiles.probability, tiles.truths) for name in CONTROLS]
    return methods + controls


def grid_truths(methods: Sequence[Method], tiles: ScoredTiles) -> list[Method]:
    """Return the truth itself, averaged to each grid of these methods, for the test tiles: (`controls.grid_truth`).

    The classifier is taken to be perfect too: a probability of 1 on defective tiles, 0 on good ones. It says what
    scores look like at this resolution. It is no upper bound: another map on the same grid can score higher.
    """
    sure, found = tiles.defective.astype(np.float64), []
    for like in {method.geometry: method for method in methods}.values():
        heatmaps = {kind: np.zeros((len(sure), *like.grid), np.float32) for kind in tiles.truths}
        for piece in chunks(tiles.rows("test")):
            for kind, truth in tiles.truth(piece).items():
                heatmaps[kind][piece] = grid_truth(truth, *like.grid, like.cell_px, like.offset_px)
        found += [_in_memory(grid_truth_name(like, kind), maps, like, sure, (kind,)) for kind, maps in heatmaps.items()]
    return found


def grid_truth_name(method: Method, kind: str) -> str:
    """Return the name, among those of `grid_truths`, of the truth on the grid of a method."""
    return f"{kind} on {method.geometry}"


def _probability(written: MethodMaps, tiles: ScoredTiles) -> NDArray[np.float64]:
    """Return (N,) the probability of a defect by which maps are black or not: the model's, or a reference's own."""
    if written.tile_scores is None:
        return tiles.probability
    val = tiles.rows("val")
    return probability_of(written.tile_scores.read(tiles.maps_rows), val, tiles.defective[val])


def _in_memory(
    name: str,
    heatmaps: NDArray[np.float32],
    like: Method,
    probability: NDArray[np.float64],
    truths: tuple[str, ...],
) -> Method:
    """Return a control of one setting with these heatmaps (N, h, w), whose cells lie as those of another method."""
    place = like.grid, like.px, like.cell_px, like.offset_px
    return Method(name, (name,), (0.0,), *place, False, True, lambda rows: heatmaps[rows][:, None], probability, truths)
