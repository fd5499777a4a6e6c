"""Stage draw: test tiles of one model: what it saw, what is true, where it looked, what it said; and all its methods.

Reads data/maps/<model>, the chosen settings (data/scores/<model>/rows.json) and the tiles, never a model. Writes
plots/gallery/<model>.png and plots/methods/<model>.png.
"""

from stages.records.paths import maps_folder, plot_file, scores_folder, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params


def draw(params: Params, model: str) -> str:
    """Draw both pictures of a model; return the line to print."""
    from stages.figures import gallery, methods, which_tiles
    from stages.figures.settings import Draw
    from stages.figures.tile_pictures import TilePictures
    from stages.heatmaps.maps import open_maps
    from stages.records.tiles import open_tiles
    from stages.scores.scores import open_explanations
    from stages.scoring.pictures import chosen_heatmaps, under_explanation
    from stages.scoring.tiles import join_tiles

    wanted = params.read(Draw)
    intensity_threshold = params.value("score.intensity_threshold", float)
    threshold = params.value("score.probability_threshold", float)
    maps = open_maps(maps_folder(model))
    tiles = join_tiles(maps, open_tiles(tiles_folder(params.dataset_name)))
    explanations, best = open_explanations(scores_folder(model))
    test = tiles.rows("test")
    probability, defective = tiles.probability[test], tiles.defective[test]

    # tiles that the classifier found, missed and took for defective, under the explanation that validation prefers
    shown = test[which_tiles.choose_gallery_tiles(probability, defective, threshold, wanted.gallery_tiles)]
    pictures = TilePictures(tiles.images(shown), tiles.truth(shown))
    seen = under_explanation(tiles, maps, explanations[best], shown, intensity_threshold, threshold)
    content = gallery.Gallery(pictures, *seen, tiles.probability[shown], tiles.defective[shown], threshold)
    explanation = explanations[best]
    setting = maps.words_for(explanation.method, explanation.fusion, explanation.discard)
    gallery.draw_gallery(plot_file("gallery", model, ".png"), content, f"{model}, {best}{setting}")

    # a heatmap of every method, each under the setting that validation chose
    chosen, label = which_tiles.choose_methods_tiles(defective, wanted.methods_tiles)
    compared = TilePictures(tiles.images(test[chosen]), tiles.truth(test[chosen]))
    cells_of = chosen_heatmaps(tiles, maps, test[chosen], explanations, best)
    heatmaps = {title: methods.MethodHeatmaps(*cells) for title, cells in cells_of.items()}
    title = f"{model}: explanation methods on {label} test tiles"
    methods.draw_methods(plot_file("methods", model, ".png"), compared, heatmaps, title)
    return f"draw {model}: {len(pictures)} test tiles in the gallery, {len(compared)} by every method"


if __name__ == "__main__":
    run_model_stage(draw, __doc__)
