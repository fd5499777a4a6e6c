"""Section "Look": which test tiles the viewer shows, and the heatmaps of every model that it is given."""

from collections.abc import Mapping

from scipy.special import expit

from stages.figures.report import viewer
from stages.figures.tile_pictures import read_pictures
from stages.figures.which_tiles import choose_viewer_tiles
from stages.heatmaps.maps import Maps
from stages.records.tiles import Tiles

VIEWER_TILES = 24


def section(tiles: Tiles, maps_of: Mapping[str, Maps], intensity_threshold: float, probability_threshold: float) -> str:
    """Return a viewer of test tiles with the heatmaps of every model.

    Args:
        tiles: the data set's.
        maps_of: model -> its heatmaps; the first model's test tiles are chosen from.
        intensity_threshold, probability_threshold: see `stages.figures.report.viewer.section`.
    """
    first = next(iter(maps_of.values()))
    test = first.positions_in(tiles)[(first.index["split"] == "test").to_numpy(bool)]
    kinds = tiles.index["defect_class"].to_numpy(object)
    shown = test[choose_viewer_tiles(kinds[test], tiles.labels[test], VIEWER_TILES)]
    index = tiles.index.iloc[shown]
    models = {}
    for model, maps in maps_of.items():
        rows = maps.rows_of(index["tile_id"])
        methods = {
            method: viewer.ViewerMaps(own.read(rows), own.fusions, own.discards, own.cell_px, own.offset_px)
            for method, own in maps.methods.items()
        }
        models[model] = viewer.ViewerModel(maps.family, expit(maps.index["logit"].to_numpy("float64")[rows]), methods)
    return viewer.section(index, read_pictures(tiles, shown), models, intensity_threshold, probability_threshold)
