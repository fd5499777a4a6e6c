"""What a study says to DVC, and that DVC understands it so."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml

from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.studies.command import exp_run, hydra_text, refuse_changed_params, set_params
from stages.studies.overrides import known_studies, laid_over, read_study
from tests.dependencies import REPOSITORY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (3, "3"), (0.5, "0.5"), (1e-05, "1e-05"), ("tuned", "tuned"),
        ("null", "'null'"), ("True", "'True'"), ("", "''"), ("it's", r"'it\'s'"), ([0.0, 0.9], "[0.0,0.9]"),
        ("12", "'12'"), ({"family": "cnn", "head": {"map_stride": 8}}, "{family:cnn,head:{map_stride:8}}"),
    ],
)  # fmt: skip
def test_values_as_text(value: Any, text: str) -> None:
    assert hydra_text(value) == text


@pytest.mark.parametrize(
    "text", ["a b", "a,b", "[x]", "{x: 1}", "x=1", "/a/b.c", "nan", "1e-5", "it's", 'say "x"', "a\\b"]
)
def test_dvc_reads_back_any_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("a: {b: null}\n", encoding="utf-8")
    apply_overrides(file, set_params({"a.b": text}))
    assert read_params(file).content == {"a": {"b": text}}


@pytest.mark.parametrize("name", known_studies())
def test_dvc_makes_of_params_yaml_what_the_study_says(tmp_path: Path, name: str) -> None:
    """Its own code for `-S`, on the real file: values, models taken away and models added."""
    file = tmp_path / "params.yaml"
    shutil.copy(REPOSITORY / "params.yaml", file)
    before = read_params(file)
    overrides = read_study(name, before)
    apply_overrides(file, set_params(overrides))
    assert load_yaml(file) == laid_over(before.content, overrides)  # as DVC reads YAML: 1e-05 is a number


def test_what_the_user_says_comes_last_and_wins(tmp_path: Path) -> None:
    said = [*set_params({"tile.px": 224}), "tile.px=64"]
    assert exp_run("mine", said, queue=True) == [
        "dvc", "exp", "run", "--name", "mine", "--queue", "-S", "tile.px=224", "-S", "tile.px=64",
    ]  # fmt: skip
    file = tmp_path / "params.yaml"
    file.write_text("tile: {px: 112}\n", encoding="utf-8")
    apply_overrides(file, said)
    assert yaml.safe_load(file.read_text()) == {"tile": {"px": 64}}


def test_a_changed_params_yaml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    Path("params.yaml").write_text("a: 1\n")
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "a"], check=True)
    refuse_changed_params()
    Path("params.yaml").write_text("a: 2\n")
    with pytest.raises(InputError, match=r"params.yaml: differs from its commit .*git restore params.yaml"):
        refuse_changed_params()
