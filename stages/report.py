"""Stage report: one self-contained page with the verdict, the tables, every figure, and a viewer of test tiles.

Reads what the other stages wrote; what is missing is said in its place and the rest is still drawn. Writes
plots/report.html, which opens without a network.
"""

from dataclasses import asdict
from functools import cache

from stages.records.files import new_file
from stages.records.paths import REPORT, maps_folder, tiles_folder
from stages.runtime.command import run_stage
from stages.runtime.params import Params

VIEWER_TILES = 24


def report(params: Params) -> str:
    """Write the page and return the line to print."""
    from stages.figures.report import environment, model_tables, page, pictures, plots, published, ranking, verdict
    from stages.ranking.record import read_ranking
    from stages.ranking.score_tables import COLUMNS

    data_set, models = params.dataset_name, list(params.models)
    # both are read once, by the first section that shows them
    ranked = cache(lambda: asdict(read_ranking()))
    metrics = cache(lambda stage: model_tables.read_metrics(stage, models))
    sections, missing = page.make_sections(
        {
            "Verdict": lambda: verdict.section(ranked(), metrics("score")),
            "Look": lambda: look(params),
            "Ranking": lambda: ranking.section(ranked()),
            "Whole photographs": lambda: ranking.photographs(ranked(), metrics("score")),
            "Published values": lambda: published.section(data_set, ranked, metrics, COLUMNS),
            "Classifiers": lambda: model_tables.training_table(metrics("train")),
            "Search": lambda: model_tables.search_table(models),
            "Time": lambda: model_tables.time_table(metrics("time")),
            "Plots": lambda: plots.section(models),
            "Pictures": lambda: pictures.section(models),
            "How it was made": lambda: environment.section(data_set, models),
        }
    )
    with new_file(REPORT) as temporary:
        temporary.write_text(page.page_html(f"DefectLens: {data_set}", sections), encoding="utf-8")
    lost = f"; not there: {', '.join(missing)}" if missing else ""
    return f"report: {REPORT}, {REPORT.stat().st_size / 1e6:.1f} MB{lost}"


def look(params: Params) -> str:
    """Return a viewer of test tiles with the heatmaps of every model."""
    from scipy.special import expit

    from stages.figures.report import viewer
    from stages.figures.tile_pictures import read_pictures
    from stages.figures.which_tiles import choose_viewer_tiles
    from stages.heatmaps.maps import open_maps
    from stages.records.tiles import open_tiles

    tiles = open_tiles(tiles_folder(params.dataset_name))
    maps_of = {model: open_maps(maps_folder(model)) for model in params.models}
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
    intensity = params.value("score.intensity_threshold", float)
    probability = params.value("score.probability_threshold", float)
    return viewer.section(index, read_pictures(tiles, shown), models, intensity, probability)


if __name__ == "__main__":
    run_stage(report, "Write one self-contained page with verdict, tables, figures and a viewer of test tiles.")
