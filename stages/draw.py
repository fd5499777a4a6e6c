"""Draw test tiles of one model: what it saw, what is true, where it looked and what it said; and all its methods.

Reads data/maps/<model>, the chosen settings (data/scores/<model>/rows.json) and the tiles, never a model. Writes
plots/gallery/<model>.png and plots/methods/<model>.png.
"""

from stages.records.paths import maps_folder, plot_file, scores_folder, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params


def draw(params: Params, model: str) -> str:
    """Draw both pictures of a model; return the line to print."""
    import numpy as np

    from stages.classification.measures import probability_of
    from stages.figures import gallery, methods, which_tiles
    from stages.figures.settings import Draw
    from stages.figures.tile_pictures import read_pictures
    from stages.heatmaps.maps import open_maps
    from stages.metrics.geometry import upsample
    from stages.metrics.pointing import pointing_hits
    from stages.metrics.thesis import thesis_prediction
    from stages.records.tiles import open_tiles
    from stages.scores.scores import open_rows

    drawn = params.read(Draw)
    intensity_threshold = params.value("score.intensity_threshold", float)
    threshold = params.value("score.probability_threshold", float)
    maps, tiles = open_maps(maps_folder(model)), open_tiles(tiles_folder(params.dataset_name))
    positions = maps.positions_in(tiles)
    ordered = np.argsort(positions)  # whatever order explain wrote, the same pictures
    test = ordered[(maps.index["split"] == "test").to_numpy(bool)[ordered]]
    if not test.size:
        raise InputError(f"{maps.folder}: there is no test tile; run the split, train and explain stages again")

    # what the chosen explanation shows of tiles that the classifier found, missed and took for defective
    explanations, best = open_rows(scores_folder(model))
    chosen, setting = maps.methods[explanations[best].method], explanations[best].setting
    # a model of defects alone knows no good tile: its logit is undefined, every tile counts as defective
    probability = np.nan_to_num(probability_of(maps.index["logit"].to_numpy(np.float64)[test]), nan=1.0)
    defective = tiles.labels[positions[test]]
    rows = which_tiles.choose_gallery_tiles(probability, defective, threshold, drawn.gallery_tiles)
    shown, probability, defective = test[rows], probability[rows], defective[rows]
    native = chosen.read(shown)[:, setting]
    heatmaps = upsample(native, tiles.px, chosen.cell_px, chosen.offset_px)
    predictions = thesis_prediction(heatmaps, probability, intensity_threshold, threshold)
    pictures = read_pictures(tiles, positions[shown])
    hits = {
        kind: pointing_hits(native, truth, chosen.cell_px, chosen.offset_px) for kind, truth in pictures.truths.items()
    }
    content = gallery.Gallery(pictures, heatmaps, predictions, probability, defective, threshold, hits)
    discard = f", discard {chosen.discards[setting]:g}" if maps.family == "vit" else ""
    gallery.draw_gallery(plot_file("gallery", model, ".png"), content, f"{model}, {best}{discard}")

    # the first heatmap of every method
    rows, label = which_tiles.choose_methods_tiles(tiles.labels[positions[test]], drawn.methods_tiles)
    compared = read_pictures(tiles, positions[test[rows]])
    columns = {
        (name if len(own.names) == 1 else f"{name} {own.names[0]}"): methods.MethodHeatmaps(
            own.read(test[rows])[:, 0], own.cell_px, own.offset_px
        )
        for name, own in maps.methods.items()
    }
    title = f"{model}: explanation methods on {label} test tiles"
    methods.draw_methods(plot_file("methods", model, ".png"), compared, columns, title)
    return f"draw {model}: {len(pictures)} test tiles in the gallery, {len(compared)} by every method"


if __name__ == "__main__":
    run_model_stage(draw, __doc__)
