"""Section "Plots": everything that `dvc plots show` draws, as SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.figures.render import svg_plots
from stages.figures.report.elements import svg_figure
from stages.figures.report.model_tables import searched_models
from stages.figures.repository import ask_dvc
from stages.records.paths import plot_file
from stages.runtime.errors import InputError


def describe_plots() -> dict[str, Any]:
    """Return file -> its plots as Vega-Lite specifications, of the files as they are now.

    Raises:
        InputError: DVC fails.
    """
    plots: dict[str, Any] = ask_dvc("plots", "show").get("data", {})
    return plots


def section(models: Sequence[str], described: Mapping[str, Any]) -> str:
    """Return every plot that DVC describes, but for the search of models that had none: a mere title.

    Args:
        models: whose searches are looked at.
        described: see `describe_plots`.

    Raises:
        InputError: there is no plot.
    """
    empty = {plot_file("tune", model, ".csv").as_posix() for model in set(models) - set(searched_models(models))}
    drawn = svg_plots({"data": {name: plot for name, plot in described.items() if name not in empty}})
    if not drawn:
        raise InputError("dvc plots show: no plots; run `dvc repro`")
    return "\n".join(svg_figure(title, svg) for title, svg in drawn)
