"""The tables of results in README and docs: `python -m tests.result_table` writes the default run's into the README.

    python -m tests.result_table                                   metrics/ -> README.md, at `<!-- results: default -->`
    python -m tests.result_table --metrics FOLDER                  print the table of another run
    python -m tests.result_table --metrics FOLDER --name hripcb    write it where a page has that name

FOLDER is the metrics/ of a run whose plots/ lie beside it. A line is a row of the ranking against one truth, after them
the control that is best by F1. Values are those of metrics/score, which classifier and explanation a row is says
plots/latency.csv, and intervals come from plots/truths.csv, where F1 and the pointing game are among `rank.metrics`.
"""

import argparse
import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.pages import PAGES, README

METRICS = README.parent / "metrics"
HEAD = [
    "| model | AP | truth | F1 (95%; clusters) | IoU | pointing game (95%) | tile AP | AUPRO | gated AUPRO | "
    "F1 of grid truth | beats controls |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
]
UNDEFINED = "-"

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
    run = Run(scores, ranking, rows, {(own["truth"], own["model"], own["metric"]): own for own in intervals})
    if any(own["seeds"] > 1 for family in ("cnn", "vit") for own in ranking[family].values()):
        raise ValueError(f"{metrics / 'rank.json'}: means of several seeds; this table is of one run of each model")
    if {own["model"] for own in rows} != set(run.ranked):
        raise ValueError(f"{metrics}: rank.json and plots/latency.csv are of two runs")
    return run


def table(run: Run) -> str:
    """Return the Markdown table of a run."""
    lines = list(HEAD)
    for truth in dict.fromkeys(own["truth"] for own in run.rows):
        lines += [_ranked_line(run, own) for own in run.rows if own["truth"] == truth]
        lines += _control_line(run.scores, truth)
    return "\n".join([*lines, ""])


def block_of(name: str) -> re.Pattern[str]:
    """Return what finds the table of that name in a page; its groups are the markers."""
    return re.compile(rf"(<!-- results: {re.escape(name)} -->\n).*?(<!-- /results -->\n)", re.DOTALL)


def filled(text: str, name: str, content: str) -> str:
    """Return a page's text with the table of that name replaced."""
    return block_of(name).sub(lambda found: f"{found[1]}\n{content}\n{found[2]}", text)


def _ranked_line(run: Run, row: Line) -> str:
    model, truth, explanation = row["classifier"], row["truth"], row["explanation"]
    said = run.scores[model]
    own = said[truth][explanation]
    ap = _number(said["classification"]["average_precision"])
    return _line(_title(model, explanation, own), ap, truth, own, _intervals(run, row), _yes(own["beats_controls"]))


def _control_line(scores: Mapping[str, Any], truth: str) -> list[str]:
    """Return the line of the control with the highest F1 behind any classifier; nothing where there is none."""
    controls = [
        (own["f1"], name, model, own)
        for model in sorted(scores)
        for name, own in sorted(scores[model][truth].items())
        if "beats_controls" not in own and own["f1"] is not None
    ]
    if not controls:
        return []
    _, name, model, own = max(controls, key=lambda control: control[0])
    return [_line(f"best control: {name} ({model})", "", truth, own, {"f1": "", "pointing_game": ""}, "")]


def _line(title: str, ap: str, truth: str, own: Scores, intervals: Mapping[str, str], beats: str) -> str:
    cells = [
        *(title, ap, truth),
        _number(own["f1"]) + intervals["f1"],
        _number(own["thresholds"]["validation_iou"]),
        _number(own["pointing_game"]) + intervals["pointing_game"],
        *(_number(own[metric]) for metric in ("tile_average_precision", "aupro", "gated_aupro")),
        _number(own["of_grid_truth"]["f1"], 2),
        beats,
    ]
    return f"| {' | '.join(cells)} |"


def _title(model: str, explanation: str, own: Scores) -> str:
    if explanation == "cam":
        return f"`{model}`"
    if explanation.startswith("rollout_"):
        return f"`{model}` {explanation.removeprefix('rollout_')}, discard {own['discard']:g}"
    return f"`{model}` {explanation}"


def _intervals(run: Run, row: Line) -> dict[str, str]:
    found = {}
    for metric in ("f1", "pointing_game"):
        own = run.intervals.get((row["truth"], row["model"], metric))
        known = own is not None and own["low"] and own["high"]
        clusters = f"; {own['clusters']}" if own and metric == "f1" else ""
        found[metric] = f" ({float(own['low']):.3f} to {float(own['high']):.3f}{clusters})" if own and known else ""
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
    homes = [page for page in pages if block_of(name).search(page.read_text(encoding="utf-8"))]
    if not homes:
        parser.error(f"no page has <!-- results: {name} -->")
    for page in homes:
        page.write_text(filled(page.read_text(encoding="utf-8"), name, content), encoding="utf-8")


if __name__ == "__main__":
    main()
