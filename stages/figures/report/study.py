"""Section "Study": the tables and figures of a published study in their shape, this run's values in the same cells.

    thesis_pcb, thesis_gid       Zabulis, Kaunas University of Technology, 2024: tables 3.2 to 3.7, figures 3.2 to 3.12
    paper_casting, paper_neu_det Elion, Tabti, Budynek, FieldBox.ai: tables 1 and 2, figures 1 and 2

The printed photographs are not shown: figures of heatmaps have test tiles of this run, and its heatmaps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stages.figures.report import study_cells, study_tables
from stages.figures.report.elements import paragraph
from stages.figures.report.page import make_sections
from stages.figures.report.study_figures import downscaling_figure, search_figure, settings_figure
from stages.figures.report.study_pictures import Column, SeenTiles, found_figure, wrong_figure
from stages.figures.report.study_tables import Measured
from stages.runtime.errors import InputError

DATA_SETS = {"thesis_pcb": "pcb", "thesis_gid": "gid", "paper_casting": "casting", "paper_neu_det": "neu_det"}
PAIRS = {"EfficientNetV2_s": "EfficientNetV2_s_d", "MobileNetV3_large": "MobileNetV3_large_d"}  # full -> downscaled
DEIT, VIT = "DeiT_tiny_patch16_224", "ViT_tiny_patch16_224"
FUSIONS = ("min", "mean", "max")
CNN_COLUMNS = [Column(name, "cam", said="CAM") for pair in PAIRS.items() for name in pair]
VIT_COLUMNS = [Column(name, "rollout", own, said=f"rollout, {own}") for name in (DEIT, VIT) for own in FUSIONS]
FUSION_COLUMNS = [Column(DEIT, "rollout", own, 0.8, f"{own}, discard 0.8") for own in FUSIONS]
DISCARD_COLUMNS = [Column(DEIT, "rollout", "mean", ratio, f"mean, discard {ratio}") for ratio in (0.2, 0.6, 0.8)]
CNN, SMALL_VIT = study_tables.PAPER_MODELS.values()
PAPER_COLUMNS = [
    Column(CNN, "occlusion", said="occlusion"),
    Column(CNN, "gradcam", said="GradCAM"),
    Column(SMALL_VIT, "rollout", "mean", said="rollout"),
    Column(SMALL_VIT, "lrp", said="LRP"),
]

Tables = dict[str, study_cells.Table]  # file of the printed table -> its rows
TableMaker = Callable[[str, Measured], study_cells.Table]
Makers = dict[str, Callable[[], str]]  # title -> function that returns HTML


@dataclass(frozen=True)
class Shown:
    """What figures are drawn from, read once they are asked for."""

    measured: Measured
    described: Callable[[], Mapping[str, Any]]  # plots as DVC describes them
    seen: Callable[[], SeenTiles]

    def found(self, caption: str, columns: list[Column], tiles: int = 3) -> str:
        """Return a figure of so many defective tiles that are called rightly."""
        return found_figure(caption, columns, self._seen_as_chosen(), tiles)

    def wrong(self, caption: str, columns: list[Column], tiles: int = 3) -> str:
        """Return a figure of so many tiles that are called wrongly."""
        return wrong_figure(caption, columns, self._seen_as_chosen(), tiles)

    def _seen_as_chosen(self) -> SeenTiles:
        """Return the tiles, and the discard ratios that validation chose against the truth that the ranking goes by."""
        truth = self.measured.ranking()["truth"]
        chosen = {
            f"{model} {row}": own["discard"]
            for model, scores in self.measured.metrics("score").items()
            for row, own in scores.get(truth, {}).items()
            if "discard" in own
        }
        return replace(self.seen(), chosen=chosen)


def section(study: str | None, shown: Shown) -> str:
    """Return the printed tables and figures of a study with ours; "" where params.yaml names none.

    Raises:
        InputError: the study is of another data set than this run.
    """
    if study is None:
        return ""
    measured = shown.measured
    if DATA_SETS[study] != measured.data_set:
        raise InputError(
            f"params.yaml: report.study is {study}, which is of {DATA_SETS[study]}, but dataset.name is "
            f"{measured.data_set}; use null"
        )
    tables: Tables = {}
    makers = _thesis(study, shown, tables) if study.startswith("thesis") else _paper(study, shown, tables)
    parts, _ = make_sections(makers)
    head = [paragraph(study_cells.count_sentence(tables.values())), study_cells.legend(), paragraph(_basis(study))]
    return "\n".join([*head, *(f"<h3>{title}</h3>\n{content}" for title, content in parts.items())])


def _thesis(study: str, shown: Shown, tables: Tables) -> Makers:
    """Return title -> maker of what the thesis prints of one data set, in its order."""
    measured, words = shown.measured, DATA_SETS[study].upper()
    if study == "thesis_pcb":
        numbers, searched = ("3.2", "3.2", "3.4", "3.5", "3.4", "3.6", "3.7"), PAIRS["EfficientNetV2_s"]
    else:
        numbers, searched = ("3.3", "3.3", "3.6", "3.7", "3.5", "3.8", "3.9"), VIT
    trained, search, scored, ranked, examples, bars, cams = numbers

    def table(number: str, make: TableMaker, caption: str) -> Callable[[], str]:
        return lambda: _table(tables, f"thesis_table_{number.replace('.', '_')}", make, measured, caption)

    def scores() -> study_cells.Table:
        return study_tables.heatmaps(f"thesis_table_{scored.replace('.', '_')}", measured)

    both = {
        f"Table {trained}": table(
            trained, study_tables.training, f"{words}: what the search found, and training with it"
        ),
        f"Figure {search}": lambda: search_figure(
            f"{words}: trials of {searched}. The printed figure has an axis of test accuracy too; here test tiles "
            "decide nothing, so trials are not measured on them.",
            *(searched, shown.described(), measured.metrics("score")),
        ),
        f"Table {scored}": table(scored, study_tables.heatmaps, f"{words}: heatmaps against the annotated area"),
        f"Table {ranked}": table(ranked, study_tables.ranks, f"{words}: ranks within CNNs and within ViTs"),
        f"Figure {examples}": lambda: "\n".join(
            shown.found(f"{words}: heatmaps of the {who}", columns)
            for who, columns in (("CNNs", CNN_COLUMNS), ("ViTs", VIT_COLUMNS))
        ),
        f"Figure {bars}": lambda: downscaling_figure(
            f"{words}: full and downscaled CNNs; lines are our 95% intervals, diamonds the printed values.",
            *(PAIRS, scores(), list(measured.headings.values())),
        ),
        f"Figure {cams}": lambda: shown.found(f"{words}: CAM of full and of downscaled CNNs", CNN_COLUMNS, 5),
    }
    pcb_alone = {
        "Figure 3.10": lambda: settings_figure(
            "scores by fusion and discard ratio, test tiles",
            *((DEIT, VIT), shown.described(), measured.ranking()["truth"], measured.headings),
        ),
        "Figure 3.11": lambda: shown.found("Fusions at a discard ratio of 0.8", FUSION_COLUMNS),
        "Figure 3.12": lambda: shown.found("Discard ratios of the mean fusion", DISCARD_COLUMNS),
    }
    return both | (pcb_alone if study == "thesis_pcb" else {})


def _paper(study: str, shown: Shown, tables: Tables) -> Makers:
    """Return title -> maker of what the paper prints, in its order of numbers."""
    wrong = PAPER_COLUMNS[:2] if study == "paper_casting" else PAPER_COLUMNS[3:]
    on = "Milliseconds of an image, printed on an RTX 2080 Ti, ours on this machine: not compared"

    def table(file: str, make: TableMaker, caption: str) -> Callable[[], str]:
        return lambda: _table(tables, file, make, shown.measured, caption)

    return {
        "Table 1": table("paper_table_1", study_tables.classifiers, "Classifiers, in percent"),
        "Table 2": table("paper_table_2", study_tables.times, on),
        "Figure 1": lambda: shown.found("Heatmaps of four methods", PAPER_COLUMNS),
        "Figure 2": lambda: shown.wrong(f"Test tiles that {wrong[0].model} calls wrongly", wrong),
    }


def _table(tables: Tables, file: str, make: TableMaker, measured: Measured, caption: str) -> str:
    tables[file] = make(file, measured)
    return study_cells.table(caption, tables[file], "data set" if file.startswith("paper") else "Model")


def _basis(study: str) -> str:
    thesis = study.startswith("thesis")
    heatmaps = "of heatmaps over clusters of test tiles, of an average rank over resamples of them, " if thesis else ""
    return (
        f"In each cell the first line is printed in {'the thesis' if thesis else 'the paper'}, the second is ours, the "
        f"third our 95% interval: {heatmaps}of a classifier's shares the exact binomial one, which takes tiles for "
        "independent. It knows nothing of the chance in the printed values."
    )
