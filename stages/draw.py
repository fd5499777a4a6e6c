"""Draw test tiles of one model: what it saw, what is true, where it looked and what it said; and all its methods.

Reads data/maps/<model>, the chosen settings (data/scores/<model>/rows.json) and the tiles, never a model. Writes
plots/gallery/<model>.png and plots/methods/<model>.png.
"""

import numpy as np
from numpy.typing import NDArray

from stages.classification.image_scores import probability_of
from stages.figures.gallery import choose_tiles, draw_gallery, gallery_tiles
from stages.figures.methods import MethodHeatmap, choose_rows, draw_methods, methods_rows
from stages.figures.settings import Draw
from stages.heatmaps.maps import Maps, open_maps
from stages.metrics.geometry import upsample
from stages.metrics.pointing import pointing_hits
from stages.metrics.thesis import thesis_prediction
from stages.records.paths import maps_folder, plot_file, scores_folder, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.scores.scores import open_rows

Rows = NDArray[np.intp]


def draw(params: Params, model: str) -> str:
    """Draw both pictures of a model; return the line to print."""
    maps, tiles = open_maps(maps_folder(model)), open_tiles(tiles_folder(params.dataset_name))
    positions = maps.positions_in(tiles)
    ordered = np.argsort(positions)  # whatever order explain wrote, the same pictures
    test = ordered[(maps.index["split"] == "test").to_numpy(bool)[ordered]]
    if not test.size:
        raise InputError(f"{maps.folder}: there is no test tile; run the split, train and explain stages again")
    looked_at = _gallery(params, model, maps, tiles, positions, test)
    compared = _methods(params, model, maps, tiles, positions, test)
    return f"draw {model}: {looked_at} test tiles in the gallery, {compared} by every method"


def _gallery(params: Params, model: str, maps: Maps, tiles: Tiles, positions: Rows, test: Rows) -> int:
    """Draw what the chosen explanation shows of tiles that the classifier found, missed and took for defective."""
    described, best = open_rows(scores_folder(model))
    intensity_threshold = params.value("score.intensity_threshold", float)
    own, setting = maps.methods[described[best].method], described[best].setting
    # a model of defects alone knows no good tile: its logit is undefined, every tile counts as defective
    probability = np.nan_to_num(probability_of(maps.index["logit"].to_numpy(np.float64)), nan=1.0)
    defective, threshold = tiles.labels[positions], params.value("score.probability_threshold", float)
    shown = test[choose_tiles(probability[test], defective[test], threshold, params.read(Draw).gallery_tiles)]
    probability, defective, places = probability[shown], defective[shown], positions[shown]
    native = own.read(shown)[:, setting]
    heatmaps = upsample(native, tiles.px, own.cell_px, own.offset_px)
    predictions = thesis_prediction(heatmaps, probability, intensity_threshold, threshold)
    truths = {kind: tiles.truth(kind, places) for kind in tiles.truths}
    hits = {kind: pointing_hits(native, truth, own.cell_px, own.offset_px) for kind, truth in truths.items()}
    images = tiles.images(places)
    rows = gallery_tiles(images, truths, heatmaps, predictions, probability, defective, threshold, hits)
    discard = f", discard {own.discards[setting]:g}" if maps.family == "vit" else ""
    draw_gallery(plot_file("gallery", model, ".png"), rows, f"{model}, {best}{discard}")
    return len(rows)


def _methods(params: Params, model: str, maps: Maps, tiles: Tiles, positions: Rows, test: Rows) -> int:
    """Draw the first heatmap of every method."""
    chosen, label = choose_rows(tiles.labels[positions[test]], params.read(Draw).methods_tiles)
    shown = test[chosen]
    heatmaps = {
        (name if len(own.names) == 1 else f"{name} {own.names[0]}"): [
            MethodHeatmap(cells, own.cell_px, own.offset_px) for cells in own.read(shown)[:, 0]
        ]
        for name, own in maps.methods.items()
    }
    truths = {kind: tiles.truth(kind, positions[shown]) for kind in tiles.truths}
    rows = methods_rows(tiles.images(positions[shown]), truths, heatmaps)
    draw_methods(plot_file("methods", model, ".png"), rows, f"{model}: explanation methods on {label} test tiles")
    return len(rows)


if __name__ == "__main__":
    run_model_stage(draw, __doc__)
