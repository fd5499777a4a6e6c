"""Section "Plots": everything that `dvc plots show` draws, as SVG."""

from collections.abc import Sequence

from stages.figures.render import svg_plots
from stages.figures.report.elements import svg_figure
from stages.figures.report.model_tables import searched_models
from stages.figures.repository import ask_dvc
from stages.records.paths import plot_file
from stages.runtime.errors import InputError


def section(models: Sequence[str]) -> str:
    """Return every plot of the files as they are now, but for the search of models that had none: a mere title.

    Raises:
        InputError: DVC fails, or there is no plot.
    """
    empty = {plot_file("tune", model, ".csv").as_posix() for model in set(models) - set(searched_models(models))}
    described = ask_dvc("plots", "show").get("data", {})
    drawn = svg_plots({"data": {name: plot for name, plot in described.items() if name not in empty}})
    if not drawn:
        raise InputError("dvc plots show: no plots; run `dvc repro`")
    return "\n".join(svg_figure(title, svg) for title, svg in drawn)
