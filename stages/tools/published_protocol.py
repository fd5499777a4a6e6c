"""Mean IoU of one model's heatmaps on test tiles, twice: honestly, and as papers on segmentation from labels report it.

    python -m stages.tools.published_protocol MODEL

Honest: the threshold with the best mean IoU on validation tiles, and the class that the classifier says. Published
(STAC and others): the label of each test image is given, so that only the place is asked for, and the threshold is the
one with the best mean IoU on the test images themselves. The second says nothing of what a factory gets; it stands here
because published numbers can be compared with nothing else. Of exact masks, for the explanations that score chose, with
heatmaps as they are (raw) and scaled to 0..1 within each tile (scaled).

Reads data/maps/<model>, data/scores/<model> and the tiles; writes nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.heatmaps.maps import Maps, MethodMaps, open_maps
from stages.metrics.enlarged import EnlargedMaps
from stages.metrics.mean_iou import NONE, mean_iou
from stages.records.paths import maps_folder, scores_folder, tiles_folder
from stages.records.tiles import open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.scores.scores import open_scores
from stages.scoring.settings import Score
from stages.scoring.tiles import Rows, ScoredTiles, chunks, join_tiles

BINS = 256
TRUTH = "exact"


class Counted(NamedTuple):
    """Pixels of the n tiles of a split by the value of one heatmap."""

    inside: NDArray[np.int64]  # (n, BINS) of the truth
    outside: NDArray[np.int64]  # (n, BINS) all others


def published_protocol(params: Params, model: str) -> str:
    """Return the table of one model as Markdown.

    Raises:
        InputError: there are no exact masks, or a stage before has not run.
    """
    rule = params.read(Score)
    maps = open_maps(maps_folder(model))
    tiles = join_tiles(maps, open_tiles(tiles_folder(params.dataset_name)))
    if TRUTH not in tiles.truths:
        raise InputError(f"{tiles.tiles.folder}: has no exact masks, which mean IoU is of")
    classes, actual, predicted = _codes(maps, tiles, rule.probability_threshold)
    lines = ["| explanation | values | mean IoU, honest | as published |", "|---|---|---|---|"]
    val, test = tiles.rows("val"), tiles.rows("test")
    for name, chosen in open_scores(scores_folder(model)).rows.items():
        if chosen.control or chosen.method not in maps.methods:
            continue
        method = maps.methods[chosen.method]
        edges = _edges(method, chosen.setting, tiles.maps_rows[val])
        for values in ("raw", "scaled"):
            counted = {
                split: _count(method, chosen.setting, tiles, rows, edges if values == "raw" else None)
                for split, rows in (("val", val), ("test", test))
            }
            on_val = mean_iou(*counted["val"], actual[val], predicted[val], classes)
            on_test = mean_iou(*counted["test"], actual[test], predicted[test], classes)
            given = mean_iou(*counted["test"], actual[test], actual[test], classes)
            lines.append(f"| {name} | {values} | {on_test[np.argmax(on_val)]:.3f} | {given.max():.3f} |")
    return "\n".join(lines)


def _codes(
    maps: Maps, tiles: ScoredTiles, probability_threshold: float
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Return K, and the class of each tile and the class that the classifier says: 0..K-1, or `NONE`."""
    called = tiles.probability > probability_threshold
    if maps.class_logits is None:
        return 1, np.where(tiles.defective, 0, NONE), np.where(called, 0, NONE)
    actual = tiles.tiles.class_codes(maps.classes)[tiles.positions]
    predicted = maps.class_logits[tiles.maps_rows].argmax(axis=1)
    return len(maps.classes), np.where(tiles.defective, actual, NONE), np.where(called, predicted, NONE)


def _edges(method: MethodMaps, setting: int, rows: Rows) -> NDArray[np.float64]:
    """Return (BINS - 1,) ascending values between which equally many cells of these maps lie."""
    cells = np.concatenate([method.read(piece)[:, setting].ravel() for piece in chunks(rows)])
    edges: NDArray[np.float64] = np.quantile(cells.astype(np.float64), np.arange(1, BINS) / BINS)
    return edges


def _count(
    method: MethodMaps, setting: int, tiles: ScoredTiles, rows: Rows, edges: NDArray[np.float64] | None
) -> Counted:
    """Count the pixels of every tile by value: between `edges`, or, without, scaled to 0..255 within the tile."""
    counts = list(_counts(method, setting, tiles, rows, edges))
    return Counted(*(np.concatenate(parts) for parts in zip(*counts, strict=True)))


def _counts(
    method: MethodMaps, setting: int, tiles: ScoredTiles, rows: Rows, edges: NDArray[np.float64] | None
) -> Iterator[Counted]:
    for piece in chunks(rows):
        native = method.read(tiles.maps_rows[piece])[:, setting]
        enlarged = EnlargedMaps(native, tiles.px, method.cell_px, method.offset_px)
        bins = enlarged.scaled.astype(np.int64) if edges is None else np.searchsorted(edges, enlarged.raw)
        bins = bins.reshape(len(piece), -1) + BINS * np.arange(len(piece))[:, None]
        truth = tiles.truth(piece)[TRUTH].reshape(len(piece), -1)
        shape = (len(piece), BINS)
        inside = np.bincount(bins[truth], minlength=len(piece) * BINS).reshape(shape)
        yield Counted(inside, np.bincount(bins.ravel(), minlength=len(piece) * BINS).reshape(shape) - inside)


if __name__ == "__main__":
    run_model_stage(published_protocol, (__doc__ or "").splitlines()[0])
