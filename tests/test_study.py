"""The command `python -m stages.study`, with the real DVC on a project of one quick stage."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.dependencies import REPOSITORY

PIPELINE = """
stages:
  note:
    foreach: ${models}
    do:
      cmd: echo ${key} ${item.family} > ${key}.txt
      params: [tile, model, "models.${key}"]
      outs: ["${key}.txt"]
"""
HEAVY = {"torch", "timm", "pandas", "dvc"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(REPOSITORY / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@localhost\n")
    for command in (
        ["git", "init", "--quiet"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "a project"],
    ):
        run(folder, *command)
    return folder


def run(folder: Path, *command: str, code: int = 0) -> str:
    settings = {
        "PYTHONPATH": str(REPOSITORY),
        "GIT_CONFIG_GLOBAL": str(folder.parent / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(folder.parent / "dvc-global"),
        "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-cache"),
    }
    finished = subprocess.run(
        command, cwd=folder, env=os.environ | settings, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert finished.returncode == code, f"{' '.join(command)}\n{finished.stdout}"
    return finished.stdout


def study(folder: Path, *arguments: str, code: int = 0) -> str:
    return run(folder, sys.executable, "-m", "stages.study", *arguments, code=code)


def test_a_study_runs_as_an_experiment_of_its_name_with_its_models_alone(project: Path) -> None:
    printed = study(project, "thesis_pcb", "-S", "model.epochs=3", "-S", "models.MobileNetV3_large.family=vit")
    assert "Ran experiment(s): thesis_pcb" in printed
    params = yaml.safe_load((project / "params.yaml").read_text())
    assert len(params["models"]) == 6 and "efficientnet_lite0" not in params["models"]
    assert params["tile"]["px"] == 224
    assert params["model"]["epochs"] == 3  # the user's, not the study's 20
    assert (project / "MobileNetV3_large.txt").read_text() == "MobileNetV3_large vit\n"
    assert run(project, sys.executable, "-m", "dvc", "exp", "list", "--name-only").split() == ["thesis_pcb"]

    refused = study(project, "paper_casting", code=2)
    assert refused.startswith("error: params.yaml: differs from its commit")
    run(project, "git", "restore", "params.yaml")
    assert "conflicts with existing experiment" in study(project, "thesis_pcb", code=255)


def test_a_study_is_queued(project: Path) -> None:
    assert study(project, "boards_flips", "--queue").splitlines()[-1] == "study boards_flips: queued"
    assert re.search(r"boards_flips\s.*Queued", run(project, sys.executable, "-m", "dvc", "queue", "status"))
    assert not list(project.glob("*.txt"))


def test_print_prints_a_command_for_the_shell_and_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "stages.study", "paper_casting", "--print", "-S"]
    finished = subprocess.run(
        [*command, "dataset.root=/my data"], text=True, capture_output=True, check=True, cwd=REPOSITORY
    )
    words = shlex.split(finished.stdout)
    assert words[:5] == ["dvc", "exp", "run", "--name", "paper_casting"]
    assert words[-2:] == ["-S", "dataset.root=/my data"]
    imported = set(re.findall(r"\| +([\w.]+)$", finished.stderr, re.MULTILINE))
    assert not imported & HEAVY


def test_an_unknown_study_and_a_rehearsal_without_data_end_in_one_line() -> None:
    for arguments, message in (
        (["nothing"], "error: study 'nothing' is not known; use one of "),
        (["thesis_gid", "--rehearse"], "error: a rehearsal of thesis_gid needs the data set gid: -S dataset.root="),
        (["thesis_pcb", "--rehearse", "-S", "tile.pxx=3"], "error: Invalid `--set-param` value"),
        (["thesis_pcb", "--rehearse", "-S", "dataset.root=missing"], "error: "),
    ):
        command = [sys.executable, "-m", "stages.study", *arguments]
        finished = subprocess.run(command, text=True, capture_output=True, check=False, cwd=REPOSITORY)
        assert finished.returncode == 2
        assert finished.stderr.splitlines()[-1].startswith(message), finished.stderr
        assert "Traceback" not in finished.stderr
