"""The command `stages.inspect` within the test's own process."""

import csv
import json
from pathlib import Path
from typing import Any

from stages.inspect import inspect
from stages.inspection.command import parser


def run(*arguments: object) -> int:
    """Return the exit code; an `InputError` is raised."""
    return inspect(parser("").parse_args([str(argument) for argument in arguments]))


def summary(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return content


def photographs(out: Path) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in summary(out)["photographs"]}


def regions(out: Path) -> list[dict[str, str]]:
    with (out / "regions.csv").open(newline="") as file:
        return list(csv.DictReader(file))
