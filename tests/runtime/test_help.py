"""Help for every verb, before anything heavy is imported."""

import re
import subprocess
import sys

import pytest

from stages.runtime.help import STAGES, help_text

VERBS = sorted(path.stem for path in STAGES.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_the_verb_does_and_imports_nothing_heavy(verb):
    command = [sys.executable, "-X", "importtime", "-m", f"stages.{verb}", "--help"]
    finished = subprocess.run(command, text=True, capture_output=True, check=True)
    assert finished.stdout.startswith("usage: ")
    assert len(finished.stdout.splitlines()) > 3
    imported = set(re.findall(r"\| +([\w.]+)$", finished.stderr, re.MULTILINE))
    assert not imported & {"torch", "timm", "pandas", "cv2", "matplotlib", "dvc"}


def test_a_model_is_asked_for_where_the_verb_takes_one():
    assert "[-h] model" in help_text("stages.x", '"""Do x."""\nrun_model_stage(x, "x")\n')
    assert "model" not in help_text("stages.x", '"""Do x."""\nrun_stage(x, "x")\n').splitlines()[0]


def test_a_verbs_own_arguments_are_listed():
    source = '"""Do x."""\nparser.add_argument("--table", type=Path, help="rank this")\n'
    assert "  --table  rank this" in help_text("stages.x", source).splitlines()
