"""Sections of the report that need no numbers: the pictures that stages have drawn, and how the results were made."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

from stages.figures.report.page import Picture, figure
from stages.figures.report.tables import html_table
from stages.figures.revisions import ask_git
from stages.records.paths import CARD_PLOT, plot_file
from stages.runtime.errors import InputError

PACKAGES = ("dvc", "torch", "timm", "torchmetrics", "numpy", "pandas", "opencv-python-headless")
PICTURES = {  # folder below plots/ -> what its pictures show
    "gallery": "test tiles, truth, heatmap and prediction",
    "methods": "test tiles explained by every method",
}


def pictures(models: Sequence[str]) -> str:
    """Return the data card and the pictures of these models, as many as there are.

    Raises:
        InputError: there is none.
    """
    found = {CARD_PLOT: "The data set: counts, extents of defects, sample tiles"}
    for folder, caption in PICTURES.items():
        found |= {plot_file(folder, model, ".png"): f"{model}: {caption}" for model in models}
    figures = [figure(Picture(caption, png=file.read_bytes())) for file, caption in found.items() if file.is_file()]
    if not figures:
        raise InputError("no pictures below plots/; run `dvc repro`")
    return "\n".join(figures)


def environment(data_set: str, models: Sequence[str]) -> str:
    """Return a table of the commit, the files that differ from it, and the versions that the report was made with."""
    rows = {"data set": data_set, "models": ", ".join(models)}
    rows |= {"commit": ask_git("rev-parse", "HEAD"), "files that differ from it": _changes()}
    rows |= {"command": "dvc repro", "python": platform.python_version(), "processor": platform.machine()}
    rows |= {name: version(name) for name in PACKAGES}
    return html_table("Environment", {name: {"value": value or "-"} for name, value in rows.items()}, "what")


def _changes() -> str:
    """Return the files that are not as committed, results left out: the stages have just written those."""
    lines = ask_git("status", "--porcelain", "--", "stages", "params.yaml", "dvc.yaml").splitlines()
    return ", ".join(line[3:] for line in lines) or "none"
