"""The house: imports go one way, files stay short, stages hold no arithmetic of their own rooms."""

from pathlib import Path

import pytest

from tests.dependencies import REPOSITORY, imported_names

BASE = {"runtime", "records"}
ROOMS = {  # room -> rooms that it may import besides itself
    "runtime": set(),
    "records": {"runtime"},
    "datasets": BASE,
    "boards": BASE,
    "tiling": BASE | {"datasets"},
    "models": BASE,
    "classification": BASE,
    "training": BASE | {"models", "classification"},
    "explainers": BASE | {"models"},
    "heatmaps": BASE,
    "metrics": {"runtime"},
    "scores": BASE,
    "scoring": BASE | {"metrics", "classification", "heatmaps", "scores"},
    "faithfulness": BASE | {"metrics", "models", "explainers", "heatmaps", "scores"},
    "ranking": BASE | {"metrics", "scores"},
    "figures": BASE | {"heatmaps"},
    "exports": BASE | {"classification", "explainers", "metrics", "models", "scores"},
    # at the line: reads as training does, cuts as training does, enlarges and scales maps as scoring does
    "inspection": BASE | {"datasets", "tiling", "metrics", "exports"},
}
ROOMS["tools"] = set(ROOMS)
ROOMS["studies"] = set(ROOMS) - {"tools"}  # beside the pipeline: it checks all settings, and rehearses every stage
MAX_LINES = 300
FILES = sorted((REPOSITORY / "stages").rglob("*.py"))


def place_of(file: Path) -> str:
    """Return a file's room, or "verb" for stages/<verb>.py."""
    parts = file.relative_to(REPOSITORY / "stages").parts
    return parts[0] if len(parts) > 1 else "verb"


def test_there_are_no_other_rooms() -> None:
    assert {place_of(file) for file in FILES} <= {"verb", *ROOMS}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(REPOSITORY).as_posix())
def test_imports_go_one_way(file: Path) -> None:
    """verbs -> rooms -> {models, metrics} -> records -> runtime, as `ROOMS` says; no stage imports a stage."""
    place = place_of(file)
    allowed = {*ROOMS} if place == "verb" else ROOMS[place] | {place}
    for name in imported_names(file):
        parts = name.split(".")
        if parts[0] == "stages" and len(parts) > 1:
            assert parts[1] in allowed, f"{place} must not import {name}"
        assert parts[0] != "tests", "stages must not import tests"


@pytest.mark.parametrize("room", ["metrics", "figures"])
def test_metrics_and_figures_know_no_models(room: str) -> None:
    for file in (REPOSITORY / "stages" / room).rglob("*.py"):
        roots = {name.split(".")[0] for name in imported_names(file)}
        assert not roots & {"timm", "torchvision"}, f"{file} imports a library of models"


@pytest.mark.parametrize("file", sorted(REPOSITORY.glob("stages/**/*.py")) + sorted(REPOSITORY.glob("tests/**/*.py")))
def test_a_file_can_be_read_in_one_sitting(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{file.relative_to(REPOSITORY)} has {lines} lines; split it"


def test_kaggle_is_imported_only_where_a_download_runs() -> None:
    """Importing it authenticates and prints."""
    for file in FILES:
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not line.startswith(("import kaggle", "from kaggle")), f"{file}: import it inside the function"
