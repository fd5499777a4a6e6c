"""The tables of results in README and docs, from the metrics/ of a run.

    python -m stages.tools.result_table                                   write the default run's into README.md
    python -m stages.tools.result_table --metrics FOLDER                  print the table of another run
    python -m stages.tools.result_table --metrics FOLDER --name hripcb    write it where a page has that name

A page has a table of that name between `<!-- results: hripcb -->` and `<!-- /results -->`.

FOLDER is the metrics/ of a run whose plots/ lie beside it. A line is a row of the ranking against one truth, after them
the control that is best by F1, and where there are references those of the model that is best. Values are those of
metrics/score, which classifier and explanation a row is says plots/latency.csv, and intervals come from
plots/truths.csv, where F1 and the pointing game are among `rank.metrics`.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.scoring.methods import BLURRED
from stages.tools.pages import PAGES, README, between_marks, marked, replace_part

METRICS = README.parent / "metrics"
HEAD = [
    "| model | AP | truth | F1 (95%; clusters) | IoU | pointing game (95%) | tile AP | AUPRO | gated AUPRO | "
    "F1 of grid truth | beats controls |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
]
UNDEFINED = "-"
REFERENCES = {"nearest_good": "no defect seen: nearest_good", "supervised": "annotation: supervised"}
PERFECT = "perfect_map"

Scores = Mapping[str, Any]  # of one row against one truth
Line = Mapping[str, str]  # of a CSV


@dataclass(frozen=True)
class Run:
    """What one run left: model -> its part of metrics/score, metrics/rank.json, and two tables of plots/."""

    scores: Mapping[str, Any]
    ranking: Mapping[str, Any]
    rows: list[Line]
    intervals: Mapping[tuple[str, str, str], Line]  # truth, row, metric

    @property
    def ranked(self) -> list[str]:
        """Names of the ranked rows."""
        return [name for family in ("cnn", "vit") for name in self.ranking[family]]


def read_run(metrics: Path) -> Run:
    """Read a run by its metrics/, which has metrics/../plots beside it.

    Raises:
        ValueError: it is of several seeds, which no single file of scores tells, or ranking and plots are of two runs.
    """
    scores: dict[str, Any] = {}
    for file in sorted((metrics / "score").glob("*.json")):
        scores |= json.loads(file.read_text(encoding="utf-8"))
    rows, intervals = (_lines(metrics.parent / "plots" / name) for name in ("latency.csv", "truths.csv"))
    ranking = json.loads((metrics / "rank.json").read_text(encoding="utf-8"))
    run = Run(scores, ranking, rows, {(line["truth"], line["model"], line["metric"]): line for line in intervals})
    if any(ranked["seeds"] > 1 for family in ("cnn", "vit") for ranked in ranking[family].values()):
        raise ValueError(f"{metrics / 'rank.json'}: means of several seeds; this table is of one run of each model")
    if {row["model"] for row in rows} != set(run.ranked):
        raise ValueError(f"{metrics}: rank.json and plots/latency.csv are of two runs")
    return run


def table(run: Run) -> str:
    """Return the Markdown table of a run."""
    lines = list(HEAD)
    for truth in dict.fromkeys(row["truth"] for row in run.rows):
        lines += [_ranked_line(run, row) for row in run.rows if row["truth"] == truth]
        lines += _control_line(run.scores, truth)
        lines += _reference_lines(run, truth)
    return "\n".join([*lines, ""])


def _ranked_line(run: Run, row: Line) -> str:
    model, truth, explanation = row["classifier"], row["truth"], row["explanation"]
    scores = run.scores[model][truth][explanation]
    ap = _number(run.scores[model]["classification"]["average_precision"])
    title, beats = _title(model, explanation, scores), _yes(scores["beats_controls"])
    return _line(title, ap, truth, scores, _intervals(run, row), beats)


def _control_line(scores: Mapping[str, Any], truth: str) -> list[str]:
    """Return the line of the control with the highest F1 behind any classifier; nothing where there is none.

    Blurred maps of the model itself are left out: they say what a refinement is worth, not what knows no defect can do.
    """
    controls = [
        (control["f1"], name, model, control)
        for model in sorted(scores)
        for name, control in sorted(scores[model][truth].items())
        if "beats_controls" not in control and control["f1"] is not None
        if BLURRED not in name and name not in (*REFERENCES, PERFECT)
    ]
    if not controls:
        return []
    _, name, model, best = max(controls, key=lambda control: control[0])
    return [_line(f"best control: {name} ({model})", "", truth, best, {"f1": "", "pointing_game": ""}, "")]


def _reference_lines(run: Run, truth: str) -> list[str]:
    """Return the lines of the references of the model that is best against one truth; nothing where there are none."""
    if not any("references" in own for own in run.scores.values()):
        return []
    model = min((row for row in run.rows if row["truth"] == truth), key=lambda row: int(row["place"]))["classifier"]
    scores, lines = run.scores[model], []
    for kind, title in REFERENCES.items():
        if kind in scores[truth]:
            row = {"truth": truth, "model": f"{model} {kind}"}
            ap = _number(scores["references"][kind]["average_precision"])
            lines.append(_line(f"{title} ({model})", ap, truth, scores[truth][kind], _intervals(run, row), ""))
    perfect = scores[truth][PERFECT] | {"thresholds": {"validation_iou": None}, "of_grid_truth": {"f1": 1.0}}
    return [
        *lines,
        _line(f"perfect map of the grid ({model})", "", truth, perfect, {"f1": "", "pointing_game": ""}, ""),
    ]


def _line(title: str, ap: str, truth: str, scores: Scores, intervals: Mapping[str, str], beats: str) -> str:
    cells = [
        *(title, ap, truth),
        _number(scores["f1"]) + intervals["f1"],
        _number(scores["thresholds"]["validation_iou"]),
        _number(scores["pointing_game"]) + intervals["pointing_game"],
        *(_number(scores[metric]) for metric in ("tile_average_precision", "aupro", "gated_aupro")),
        _number(scores["of_grid_truth"]["f1"], 2),
        beats,
    ]
    return f"| {' | '.join(cells)} |"


def _title(model: str, explanation: str, scores: Scores) -> str:
    if explanation == "cam":
        return f"`{model}`"
    if explanation.startswith("rollout_"):
        return f"`{model}` {explanation.removeprefix('rollout_')}, discard {scores['discard']:g}"
    weight = f", weight {scores['discard']:g}" if explanation.startswith("novelty") else ""
    return f"`{model}` {explanation}{weight}"


def _intervals(run: Run, row: Line) -> dict[str, str]:
    found = {}
    for metric in ("f1", "pointing_game"):
        line = run.intervals.get((row["truth"], row["model"], metric), {"low": ""})
        clusters = f"; {line['clusters']}" if line["low"] and metric == "f1" else ""
        ends = f"{float(line['low']):.3f} to {float(line['high']):.3f}" if line["low"] else ""
        found[metric] = f" ({ends}{clusters})" if ends else ""
    return found


def _number(value: float | None, digits: int = 3) -> str:
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def _yes(value: bool | None) -> str:
    return UNDEFINED if value is None else "yes" if value else "no"


def _lines(path: Path) -> list[Line]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def main(pages: Iterable[Path] = PAGES) -> None:
    """Print the table, or write it into the page that has its name."""
    parser = argparse.ArgumentParser(description="The table of results of a run, as Markdown.")
    parser.add_argument(
        "--metrics", type=Path, help="metrics/ of another run; default: the repository's, into README.md"
    )
    parser.add_argument("--name", help="name of a table in README or docs, which is replaced; none: print")
    given = parser.parse_args()
    content = table(read_run(given.metrics or METRICS))
    name = given.name or (None if given.metrics else "default")
    if name is None:
        print(content, end="")
        return
    part = between_marks(f"results: {name}")
    homes = [page for page in pages if part.search(page.read_text(encoding="utf-8"))]
    if not homes:
        parser.error(f"no page has <!-- results: {name} -->")
    for page in homes:
        replace_part(page, part, marked(f"results: {name}", content))


if __name__ == "__main__":
    main()
