"""Figures of a study that are drawn from numbers: the search, full and downscaled CNNs, fusions and discard ratios."""

import copy
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from stages.figures.drawing import GREY, Sheet
from stages.figures.render import svg_plots
from stages.figures.report.elements import paragraph, png_figure, svg_figure
from stages.figures.report.model_tables import searched_models
from stages.figures.report.study_cells import Cell, Table
from stages.records.paths import plot_file
from stages.runtime.errors import InputError

BARS = {"full": ("#56b4e9", ""), "downscaled": ("#e69f00", "//")}  # colours of Okabe and Ito, and a hatch beside them
DIAMOND: dict[str, Any] = {"marker": "D", "markersize": 4.5, "color": "black", "markeredgecolor": "white", "ls": ""}
WIDTH, HEIGHT, LEFT, BOTTOM, STEP = 10.6, 3.5, 0.55, 0.5, 5.3  # inches


def search_figure(caption: str, model: str, described: Mapping[str, Any], models: Collection[str]) -> str:
    """Return the trials of a model's search as parallel coordinates, as `dvc plots show` draws them.

    Args:
        caption: what the printed figure shows.
        model: whose search.
        described: file -> its plots, see `stages.figures.report.plots`.
        models: of this run.

    Raises:
        InputError: the model was not run, or not searched for.
    """
    if model not in models:
        raise InputError(f"{model} was not run")
    name = plot_file("tune", model, ".csv").as_posix()
    if not searched_models([model]) or name not in described:
        raise InputError(f"no search for {model} (tune.trials in params.yaml is 0)")
    return _drawn({name: described[name]}, caption)


def settings_figure(
    caption: str, models: Sequence[str], described: Mapping[str, Any], truth: str, scores: Collection[str]
) -> str:
    """Return a score for each fusion and discard ratio, as `dvc plots show` draws them, of these scores and this truth.

    Args:
        caption: what the printed figure shows.
        models: a drawing each; one that was not run is named.
        described: as for `search_figure`.
        truth: boxes | exact
        scores: names of those that the printed figure has.

    Raises:
        InputError: none of the models was run.
    """
    files = {model: plot_file("settings", model, ".csv").as_posix() for model in models}
    if not any(file in described for file in files.values()):
        raise InputError(f"none of {', '.join(models)} was run")
    return "\n".join(
        _drawn({file: [_of(plot, truth, scores) for plot in described[file]]}, f"{model}: {caption}.")
        if file in described
        else paragraph(f"{model} was not run.")
        for model, file in files.items()
    )


def _of(plot: Mapping[str, Any], truth: str, scores: Collection[str]) -> dict[str, Any]:
    """Return a plot of settings with the lines of these scores against one truth alone."""
    content = plot["content"]
    spec = copy.deepcopy(json.loads(content) if isinstance(content, str) else content)
    lines = spec["data"]["values"]
    spec["data"]["values"] = [line for line in lines if line["truth"] == truth and line["metric"] in scores]
    return {**plot, "content": spec}


def downscaling_figure(caption: str, pairs: Mapping[str, str], rows: Table, scores: Sequence[str]) -> str:
    """Return the scores of full and downscaled CNNs as bars with our intervals, the printed values as diamonds.

    Args:
        caption: what the printed figure shows.
        pairs: full model -> its downscaled one, a panel each.
        rows: of table 3.4 or 3.6.
        scores: headings of that table, a group of bars each.

    Raises:
        InputError: none of the models was run.
    """
    models = [name for pair in pairs.items() for name in pair]
    if not any(rows[name][score].ours.text for name in models for score in scores):
        raise InputError(f"none of {', '.join(models)} was run")
    sheet = Sheet(WIDTH, HEIGHT)
    for place, pair in enumerate(pairs.items()):
        axes = sheet.axes(LEFT + place * STEP, BOTTOM, STEP - 0.7, HEIGHT - BOTTOM - 0.45)
        for side, (name, kind) in enumerate(zip(pair, BARS, strict=True)):
            _bars(axes, [rows[name][score] for score in scores], kind, side - 0.5)
        axes.set_title(pair[0], fontsize=10, loc="left")
        axes.set_xticks(range(len(scores)), [score.replace(" ", "\n", 1) for score in scores], fontsize=8)
        axes.set_ylim(0, 1.04)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False, loc="lower right", ncols=3, bbox_to_anchor=(1.02, 0.98))
    return png_figure(caption, sheet.png())


def _bars(axes: Axes, cells: Sequence[Cell], kind: str, side: float) -> None:
    colour, hatch = BARS[kind]
    label, printed = kind, "printed" if side > 0 else None
    for place, cell in enumerate(cells):
        x = place + 0.38 * side
        if cell.ours.text:
            value = float(cell.ours.text)
            axes.bar(x, value, 0.34, color=colour, hatch=hatch, edgecolor="white", linewidth=0.6, label=label)
            if not math.isnan(cell.ours.low):
                axes.vlines(x, cell.ours.low, cell.ours.high, color=GREY, linewidth=1.4)
            label = ""
        if cell.printed is not None:
            axes.plot(x, float(cell.printed), **DIAMOND, label=printed)
            printed = None


def _drawn(described: Mapping[str, Any], caption: str) -> str:
    drawn = svg_plots({"data": described})
    return "\n".join(svg_figure(caption, svg) for _, svg in drawn)
