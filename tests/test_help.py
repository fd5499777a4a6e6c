"""Help for every verb, before anything heavy is imported."""

import re
import subprocess
import sys

import pytest

from tests.dependencies import REPOSITORY

VERBS = sorted(file.stem for file in (REPOSITORY / "stages").glob("*.py") if file.stem != "__init__")
HEAVY = {"torch", "timm", "pandas", "cv2", "matplotlib", "dvc"}


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_the_verb_does_and_imports_nothing_heavy(verb: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", f"stages.{verb}", "--help"]
    finished = subprocess.run(command, text=True, capture_output=True, check=True, cwd=REPOSITORY)
    assert finished.stdout.startswith("usage: ")
    assert len(finished.stdout.splitlines()) > 3
    imported = set(re.findall(r"\| +([\w.]+)$", finished.stderr, re.MULTILINE))
    assert not imported & HEAVY


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_can_be_read_in_one_look(verb: str) -> None:
    lines = (REPOSITORY / "stages" / f"{verb}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
