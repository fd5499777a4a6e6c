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


def report(params: Params) -> str:
    """Write the page and return the line to print."""
    from stages.figures.report import (
        environment,
        look,
        model_tables,
        page,
        pictures,
        plots,
        published,
        ranking,
        study,
        verdict,
    )
    from stages.figures.report.study_pictures import SeenTiles
    from stages.figures.report.study_tables import Measured
    from stages.figures.settings import Report
    from stages.heatmaps.maps import open_maps
    from stages.metrics.binomial import exact_interval
    from stages.ranking.record import read_ranking
    from stages.ranking.score_tables import COLUMNS
    from stages.records.tiles import open_tiles

    data_set, models, named = params.dataset_name, list(params.models), params.read(Report).study
    intensity = params.value("score.intensity_threshold", float)
    probability = params.value("score.probability_threshold", float)
    # all are read once, by the first section that shows them
    ranked = cache(lambda: asdict(read_ranking()))
    metrics = cache(lambda stage: model_tables.read_metrics(stage, models))
    described = cache(plots.describe_plots)
    tiles = cache(lambda: open_tiles(tiles_folder(data_set)))
    maps_of = cache(lambda: {model: open_maps(maps_folder(model)) for model in models})
    measured = Measured(data_set, ranked, metrics, COLUMNS, exact_interval)
    shown = study.Shown(measured, described, lambda: SeenTiles(tiles(), maps_of(), probability))
    sections, missing = page.make_sections(
        {
            "Verdict": lambda: verdict.section(ranked(), metrics("score")),
            "Look": lambda: look.section(tiles(), maps_of(), intensity, probability),
            "Ranking": lambda: ranking.section(ranked()),
            "Whole photographs": lambda: ranking.photographs(ranked(), metrics("score")),
            "Study": lambda: study.section(named, shown),
            "Published values": lambda: "" if named else published.section(data_set, ranked, metrics, COLUMNS),
            "Classifiers": lambda: model_tables.training_table(metrics("train")),
            "Search": lambda: model_tables.search_table(models),
            "Time": lambda: model_tables.time_table(metrics("time")),
            "Plots": lambda: plots.section(models, described()),
            "Pictures": lambda: pictures.section(models),
            "How it was made": lambda: environment.section(data_set, models),
        }
    )
    with new_file(REPORT) as temporary:
        temporary.write_text(page.page_html(f"DefectLens: {data_set}", sections), encoding="utf-8")
    lost = f"; not there: {', '.join(missing)}" if missing else ""
    return f"report: {REPORT}, {REPORT.stat().st_size / 1e6:.1f} MB{lost}"


if __name__ == "__main__":
    run_stage(report, "Write one self-contained page with verdict, tables, figures and a viewer of test tiles.")
