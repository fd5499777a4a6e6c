"""Draw test tiles of one model: what it saw, what is true, where it looked and what it said; and all its methods.

Reads data/maps/<model>, the chosen settings (data/scores/<model>/rows.json) and the tiles, never a model. Writes
plots/gallery/<model>.png and plots/methods/<model>.png.
"""

from stages.records.paths import maps_folder, plot_file, scores_folder, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params


def draw(params: Params, model: str) -> str:
    """Draw both pictures of a model; return the line to print."""
    from stages.figures.gallery import choose_tiles, draw_gallery, gallery_tiles
    from stages.figures.methods import MethodHeatmap, choose_rows, draw_methods, methods_rows
    from stages.figures.settings import Draw
    from stages.heatmaps.maps import open_maps
    from stages.records.tiles import open_tiles
    from stages.scores.scores import open_explanations
    from stages.scoring.pictures import first_heatmaps, under_explanation
    from stages.scoring.tiles import join_tiles

    wanted = params.read(Draw)
    intensity_threshold = params.value("score.intensity_threshold", float)
    threshold = params.value("score.probability_threshold", float)
    maps = open_maps(maps_folder(model))
    tiles = join_tiles(maps, open_tiles(tiles_folder(params.dataset_name)))
    explanations, best = open_explanations(scores_folder(model))
    test = tiles.rows("test")

    # tiles that the classifier found, missed and took for defective, under the explanation that validation prefers
    chosen = test[choose_tiles(tiles.probability[test], tiles.defective[test], threshold, wanted.gallery_tiles)]
    seen = under_explanation(tiles, maps, explanations[best], chosen, intensity_threshold, threshold)
    looked_at = gallery_tiles(**seen)
    discard = f", discard {explanations[best].discard:g}" if maps.family == "vit" else ""
    draw_gallery(plot_file("gallery", model, ".png"), looked_at, f"{model}, {best}{discard}")

    # the first heatmap of every method
    places, label = choose_rows(tiles.defective[test], wanted.methods_tiles)
    chosen = test[places]
    heatmaps = {
        title: [MethodHeatmap(cells, cell_px, offset_px) for cells in native]
        for title, (native, cell_px, offset_px) in first_heatmaps(tiles, maps, chosen).items()
    }
    compared = methods_rows(tiles.images(chosen), tiles.truth(chosen), heatmaps)
    title = f"{model}: explanation methods on {label} test tiles"
    draw_methods(plot_file("methods", model, ".png"), compared, title)
    return f"draw {model}: {len(looked_at)} test tiles in the gallery, {len(compared)} by every method"


if __name__ == "__main__":
    run_model_stage(draw, __doc__)
