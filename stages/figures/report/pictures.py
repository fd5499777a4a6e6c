"""Section "Pictures": what stages describe and draw have drawn."""

from collections.abc import Sequence

from stages.figures.report.elements import png_figure
from stages.records.paths import CARD_PLOT, plot_file
from stages.runtime.errors import InputError

CAPTIONS = {  # folder below plots/ -> what its pictures show
    "gallery": "test tiles, truth, heatmap and prediction",
    "methods": "test tiles explained by every method",
}


def section(models: Sequence[str]) -> str:
    """Return the data card and the pictures of these models, as many as there are.

    Raises:
        InputError: there is none.
    """
    captions = {CARD_PLOT: "The data set: counts, extents of defects, sample tiles"}
    for folder, caption in CAPTIONS.items():
        captions |= {plot_file(folder, model, ".png"): f"{model}: {caption}" for model in models}
    figures = [png_figure(caption, file.read_bytes()) for file, caption in captions.items() if file.is_file()]
    if not figures:
        raise InputError("no pictures below plots/; run `dvc repro`")
    return "\n".join(figures)
