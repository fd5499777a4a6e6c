"""Section "How it was made": the commit, the files that differ from it, and versions."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

from stages.figures.report.elements import table
from stages.figures.repository import ask_git

PACKAGES = ("dvc", "torch", "timm", "torchmetrics", "numpy", "pandas", "opencv-python-headless")


def section(data_set: str, models: Sequence[str]) -> str:
    """Return a table of what the report was made with, a line for each."""
    lines = {
        "data set": data_set,
        "models": ", ".join(models),
        "commit": ask_git("rev-parse", "HEAD"),
        "files that differ from it": _changes(),
        "command": "dvc repro",
        "python": platform.python_version(),
        "processor": platform.machine(),
        **{name: version(name) for name in PACKAGES},
    }
    return table("Environment", {name: {"value": value or "-"} for name, value in lines.items()}, "what")


def _changes() -> str:
    """Return the files that are not as committed, results left out: the stages have just written those."""
    lines = ask_git("status", "--porcelain", "--", "stages", "params.yaml", "dvc.yaml").splitlines()
    return ", ".join(line[3:] for line in lines) or "none"
