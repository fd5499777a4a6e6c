"""Stage report: one self-contained page with the verdict, the tables, every figure, and a viewer of test tiles.

Reads what the other stages wrote; what is missing is said in its place and the rest is still drawn. Writes
plots/report.html, which opens without a network.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from stages.classification.image_scores import probability_of
from stages.figures.report.page import Picture, Section, figure, paragraph, viewer_html, write_page
from stages.figures.report.published import Ours, classification_rows, known_data_sets, published_tables
from stages.figures.report.sections import environment, pictures
from stages.figures.report.tables import cell_text, flat, html_table, ms_text
from stages.figures.report.verdict import verdict_sentences
from stages.figures.report.viewer import (
    ViewerMaps,
    ViewerModel,
    ViewerTile,
    choose_viewer_tiles,
    viewer_data,
)
from stages.figures.revisions import ask_dvc
from stages.heatmaps.maps import open_maps
from stages.ranking.score_tables import COLUMNS
from stages.records.files import new_file, read_json
from stages.records.paths import (
    LATENCY_PLOT,
    RANK_METRICS,
    RANK_PLOT,
    REPORT,
    TRUTHS_PLOT,
    maps_folder,
    metrics_file,
    plot_file,
    tiles_folder,
)
from stages.records.tiles import open_tiles
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params

VIEWER_TILES = 24
TEXT = {"truth", "family", "model", "classifier", "explanation", "metric", "told_apart"}  # columns that are no numbers
SEARCHED = {  # of metrics/tune/<model>.json -> its column, as in the thesis' tables 3.2 and 3.3
    "lr": "learning rate",
    "batch": "batch",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "trials": "trials",
    "pruned": "of them pruned",
}


def report(params: Params) -> str:
    """Write the page and return the line to print."""
    missing: list[str] = []

    def attempt(make: Callable[[], str], what: str) -> str:
        try:
            return make()
        except InputError as error:
            missing.append(what)
            return paragraph(f"Not there: {error}")

    verdict = attempt(lambda: _verdict(params), "verdict")
    viewer: dict[str, Any] = {"px": 0, "tiles": [], "models": {}}

    def look() -> str:
        truths, data = _viewer(params)
        viewer.update(data)
        return viewer_html(truths, params.value("score.intensity_threshold", float))

    sections = [
        Section("Verdict", verdict),
        Section("Look", attempt(look, "viewer")),
        Section("Ranking", attempt(_ranking, "ranking")),
        Section("Published values", attempt(lambda: _published(params), "published values")),
        Section("Classifiers", attempt(lambda: _models(params, "train"), "training")),
        *([Section("Search", attempt(lambda: _trials(params), "search"))] if _searched(params) else []),
        Section("Time", attempt(lambda: _models(params, "time"), "times")),
        Section("Plots", attempt(lambda: _plots(params), "plots")),
        Section("Pictures", attempt(lambda: pictures(list(params.models)), "pictures")),
        Section("How it was made", environment(params.dataset_name, list(params.models))),
    ]
    title = f"DefectLens: {params.dataset_name}"
    with new_file(REPORT) as temporary:
        temporary.write_text(write_page(title, sections, viewer), encoding="utf-8")
    lost = f"; not there: {', '.join(missing)}" if missing else ""
    return f"report: {REPORT}, {REPORT.stat().st_size / 1e6:.1f} MB{lost}"


def _verdict(params: Params) -> str:
    verdict = read_json(RANK_METRICS).get("verdict", {})
    standing = _table(LATENCY_PLOT)
    if standing.empty:
        return paragraph("Nothing could be ranked: the data set has no annotated area.", "verdict")
    rows = [{str(name): value for name, value in row.items()} for row in standing.to_dict("records")]
    said = verdict_sentences(rows, str(verdict.get("truth")), _scores(params), params.seeds)
    numbers = paragraph(str(verdict.get("sentence")))
    detail = f"<details><summary>CNN against ViT, in every score</summary>{numbers}</details>"
    return "\n".join([*(paragraph(sentence, "verdict") for sentence in said), detail])


def _scores(params: Params) -> dict[str, dict[str, Any]]:
    try:
        return {name: read_json(metrics_file("score", name))[name] for name in params.models}
    except KeyError as error:
        raise InputError(f"metrics/score: nothing said of {error}; run the score stage again") from None


def _table(path: Path) -> pd.DataFrame:
    """Read plot data; a column of `TEXT` stays text (a model may be called NA or 1e5), any other is one of numbers."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for name in table.columns.difference(list(TEXT)):
            table[name] = pd.to_numeric(table[name])
        return table
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); run the rank stage") from None


def _published(params: Params) -> str:
    known = known_data_sets()
    if params.dataset_name not in known:
        return paragraph(f"Nothing is published for {params.dataset_name}; the two studies have {', '.join(known)}.")
    ours = Ours(_segmentation(params), classification_rows(_scores(params)), _times(params))
    tables = published_tables(params.dataset_name, ours)
    return "\n".join(html_table(table.caption, table.rows) for table in tables)


def _segmentation(params: Params) -> dict[str, dict[str, Any]]:
    """Return our rows against boxes, which the thesis scores by, with its headings; means over the seeds of a model."""
    scores, rows, seeds = _scores(params), _table(LATENCY_PLOT), params.seeds
    found = {}
    for row in rows[rows["truth"] == "boxes"].to_dict("records"):
        own = [scores[seed] for seed in seeds[row["classifier"]]]
        of_seeds = {title: [of["boxes"][row["explanation"]][name] for of in own] for name, title in COLUMNS.items()}
        of_seeds["Classification accuracy"] = [of["classification"]["accuracy"] for of in own]
        found[row["model"]] = {title: None if None in known else fmean(known) for title, known in of_seeds.items()}
    return found


def _times(params: Params) -> dict[str, dict[str, str]]:
    """Return model -> forward and methods -> mean and standard deviation; of a fused method its first setting's."""
    found: dict[str, dict[str, str]] = {}
    for name in params.models:
        values = read_json(metrics_file("time", name)).get(name, {})
        found[name] = {what: _time(own) for what, own in values.items() if "mean_ms" in own}
        for method, fusions in values.get("settings", {}).items():
            fusion, discards = next(iter(fusions.items()))
            setting = "" if fusion == method else f" ({fusion}, discard {next(iter(discards))})"
            found[name][method] = _time(next(iter(discards.values()))) + setting
    return found


def _time(own: dict[str, float]) -> str:
    return f"{ms_text(own['mean_ms'])} \u00b1 {ms_text(own['std_ms'])}"


def _ranking() -> str:
    parts = []
    for path, key, caption in (
        (RANK_PLOT, "family", "Ranks within the family {}, value with its 95% interval over up to {:.0f} clusters"),
        (TRUTHS_PLOT, "truth", "Scores against {}, 95% intervals over up to {:.0f} clusters"),
    ):
        for name, rows in _table(path).groupby(key, sort=True):
            cells: dict[str, dict[str, str]] = {}
            for row in rows.to_dict("records"):
                cells.setdefault(str(row["model"]), {})[str(row["metric"])] = _rank_cell(row)
            parts.append(html_table(caption.format(name, rows["clusters"].max()), cells))
    return "\n".join(parts)


def _rank_cell(row: dict[Any, Any]) -> str:
    value, low, high = (row.get(key) for key in ("value", "low", "high"))
    text = "" if value is None or value != value else cell_text(value)
    if text and low is not None and low == low:
        text += f" ({cell_text(low)} to {cell_text(high)})"
    place = row.get("rank")
    return text if place is None else f"{place:g}{': ' if text else ''}{text}"


def _models(params: Params, stage: str) -> str:
    rows = {}
    for name in params.models:
        values = read_json(metrics_file(stage, name)).get(name, {})
        rows[name] = {key: value for key, value in flat(values).items() if not key.startswith("measured_on")}
        if stage == "time":  # of each setting the median alone
            rows[name] = {key: value for key, value in rows[name].items() if key.endswith((".median_ms", ".ratio"))}
    return html_table({"train": "Training", "time": "Milliseconds of single images"}[stage], rows)


def _searched(params: Params) -> list[str]:
    """Return the models whose learning rate and batch were searched for."""
    files = {name: metrics_file("tune", name) for name in params.models}
    return [name for name, file in files.items() if file.is_file() and read_json(file).get(name, {}).get("trials")]


def _trials(params: Params) -> str:
    """Return the best trial of each model; test tiles say something of it only where its values were trained with."""
    rows = {}
    for name in _searched(params):
        values = read_json(metrics_file("tune", name))[name]
        rows[name] = {title: values.get(key) for key, title in SEARCHED.items()}
        if read_json(metrics_file("train", name)).get(name, {}).get("tuned") == "lr, batch":
            scores = read_json(metrics_file("score", name)).get(name, {})
            rows[name]["test accuracy"] = scores.get("classification", {}).get("accuracy")
    return html_table("Best trial on validation tiles", rows)


def _viewer(params: Params) -> tuple[tuple[str, ...], dict[str, Any]]:
    tiles = open_tiles(tiles_folder(params.dataset_name))
    opened = {name: open_maps(maps_folder(name)) for name in params.models}
    first = next(iter(opened.values()))
    index = first.index
    positions = first.positions_in(tiles)[np.flatnonzero(index["split"] == "test")]
    described = tiles.index.iloc[positions]
    chosen = choose_viewer_tiles(
        described["defect_class"].to_numpy(dtype=object), (described["label"] == "defective").to_numpy(), VIEWER_TILES
    )
    positions, described = positions[chosen], described.iloc[chosen]
    images = tiles.images(positions)
    truths = {kind: tiles.truth(kind, positions) for kind in tiles.truths}
    shown = [
        ViewerTile(
            tile_id=str(row["tile_id"]),
            label=str(row["label"]),
            defect_class=str(row["defect_class"]),
            image=images[place],
            truths={kind: truth[place] for kind, truth in truths.items()},
        )
        for place, row in enumerate(described.to_dict("records"))
    ]
    models = {}
    for name, maps in opened.items():
        rows = pd.Index(maps.index["tile_id"]).get_indexer(pd.Index(described["tile_id"]))
        if (rows < 0).any():
            raise InputError(f"{maps.folder}: of other tiles than the other models'; run the explain stage again")
        methods = {
            method: ViewerMaps(own.read(rows), own.fusions, own.discards, own.cell_px, own.offset_px)
            for method, own in maps.methods.items()
        }
        # a model of defects alone knows no good tile: its logit is undefined, every tile counts as defective
        probability = np.nan_to_num(probability_of(maps.index["logit"].to_numpy()[rows]), nan=1.0)
        models[name] = ViewerModel(maps.family, probability, methods)
    return tiles.truths, viewer_data(shown, models, params.value("score.probability_threshold", float))


def _plots(params: Params) -> str:
    from stages.figures.render import svg_plots  # heavy, and only needed here

    described = ask_dvc("plots", "show")
    # of a search that is off the plot is a mere title
    empty = {plot_file("tune", name, ".csv").as_posix() for name in set(params.models) - set(_searched(params))}
    plots = {name: plot for name, plot in described.get("data", {}).items() if name not in empty}
    figures = [figure(Picture(title, svg=svg)) for title, svg in svg_plots({"data": plots})]
    if not figures:
        raise InputError("dvc plots show: no plots; run `dvc repro`")
    return "\n".join(figures)


if __name__ == "__main__":
    run_stage(report, "Write one self-contained page with verdict, tables, figures and a viewer of test tiles.")
