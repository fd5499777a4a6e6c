"""What a pull request changed, as Markdown: parameters, ranking, metrics, pictures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

MAX_ROWS = 80  # of a table; a comment may have 65,536 characters
STAGES = ("score", "perturb", "train", "time")  # metrics in this order; times come last, they never repeat

Change = Mapping[str, Any]  # "old", "new": what DVC says of one value, null or absent where there is none


def write_comment(
    before: str,
    after: str,
    params: Mapping[str, Mapping[str, Change]],
    metrics: Mapping[str, Mapping[str, Change]],
    pictures: Sequence[tuple[str, str]],
    notes: Sequence[str] = (),
) -> str:
    """Return the comment; the same text for the same changes.

    Args:
        before, after: names of the two revisions.
        params, metrics: file -> dotted name -> old and new value, as `dvc params diff --json` and
            `dvc metrics diff --all --json` have it.
        pictures: title and address of each.
        notes: lines on what could not be compared.
    """
    ranks, others = _split_ranks(metrics)
    changed = [row for row in others if row[2] != row[3]]
    same = [row for row in others if row[2] == row[3]]
    parts = [f"## `{before}` -> `{after}`", *notes]
    parts += _section("Parameters", ("parameter", "before", "after"), _parameters(params), "No parameter changed.")
    parts += _section("Ranking", ("family", "model", "average rank before", "after"), ranks, "Nothing is ranked.")
    header = ("file", "metric", "before", "after", "change")
    parts += _section("Metrics that changed", header, [_with_change(row) for row in changed], "No metric changed.")
    if same:
        parts += [f"<details><summary>{len(same)} metrics did not change</summary>", ""]
        parts += [*_table(("file", "metric", "value"), [row[:3] for row in same]), "", "</details>"]
    if pictures:
        parts += ["### Pictures", *(f"**{title}**\n\n![{title}]({address})" for title, address in pictures)]
    return "\n\n".join(_joined(parts)) + "\n"


def _joined(parts: list[str]) -> list[str]:
    """Keep the lines of a table together: a blank line would end it."""
    joined: list[str] = []
    for part in parts:
        if part.startswith("|") and joined and joined[-1].startswith("|"):
            joined[-1] += "\n" + part
        elif part:
            joined.append(part)
    return joined


def _parameters(params: Mapping[str, Mapping[str, Change]]) -> list[tuple[str, ...]]:
    return [
        (name, _text(change.get("old")), _text(change.get("new")))
        for file in sorted(params)
        for name, change in sorted(params[file].items())
    ]


def _split_ranks(
    metrics: Mapping[str, Mapping[str, Change]],
) -> tuple[list[tuple[str, ...]], list[tuple[str, str, str, str]]]:
    """Return the rows of the ranking, best after first, and all other metrics: file, metric, before, after."""
    ranks, others = [], []
    for file, values in metrics.items():
        for name, change in values.items():
            old, new = change.get("old"), change.get("new")
            family, _, rest = name.partition(".")
            if file.endswith("rank.json") and rest.endswith(".average_rank"):
                order = (family, *(math.inf if value is None else value for value in (new, old)), rest)
                ranks.append((order, (family, rest.removesuffix(".average_rank"), _text(old), _text(new))))
            elif not file.endswith("rank.json"):
                others.append((file.removeprefix("metrics/").removesuffix(".json"), name, _text(old), _text(new)))
    others.sort(key=lambda row: (_stage_order(row[0]), row))
    return [row for _, row in sorted(ranks)], others


def _stage_order(file: str) -> int:
    stage = file.split("/")[0]
    return STAGES.index(stage) if stage in STAGES else -1


def _with_change(row: tuple[str, str, str, str]) -> tuple[str, ...]:
    file, name, old, new = row
    try:
        change = f"{float(new) - float(old):+.5g}"
    except ValueError:
        change = "new" if old == "-" else "gone" if new == "-" else ""
    # every metric of a file starts with the model's name, which the file has already
    return (file, name.removeprefix(f"{file.split('/')[-1]}."), old, new, change)


def _section(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> list[str]:
    return [f"### {title}", *(_table(header, rows) if rows else [empty])]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows[:MAX_ROWS]]
    return [*lines, *([f"{len(rows) - MAX_ROWS} more: `dvc metrics diff`"] if len(rows) > MAX_ROWS else [])]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
