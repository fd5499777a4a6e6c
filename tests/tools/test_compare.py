"""Comparing two commits of a small repository with the real git and DVC."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import REPOSITORY
from tests.pipeline import Copy

TEMPLATE = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"values": "<DVC_METRIC_DATA>"},
    "title": "<DVC_METRIC_TITLE>",
    "mark": "line",
    "encoding": {
        "x": {"field": "<DVC_METRIC_X>", "type": "quantitative"},
        "y": {"field": "<DVC_METRIC_Y>", "type": "quantitative"},
        "color": {"field": "rev", "type": "nominal"},
    },
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Copy:
    """Three commits: metrics and a plot, other values, one model gone."""
    parent = tmp_path_factory.mktemp("compare")
    settings = parent / "settings"
    copy = Copy(parent / "repository", settings)
    settings.mkdir()
    (settings / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@localhost\n", encoding="utf-8")
    copy.folder.mkdir()
    copy.run("git", "init", "--quiet")
    copy.dvc("init", "--quiet")
    write(copy, ".dvc/plots/line.json", json.dumps(TEMPLATE))
    metrics = "metrics:\n- metrics/score/a.json\n- metrics/score/b.json\n- metrics/rank.json\n"
    plots = "plots:\n- plots/curve.csv:\n    template: line\n    x: epoch\n    y: value\n    title: A curve\n"
    write(copy, "dvc.yaml", metrics + plots + "params:\n- params.yaml\n")
    for number, f1 in enumerate((0.5, 0.75)):
        write(copy, "params.yaml", f"model: {{lr: {1e-3 / (number + 1)}}}\n")
        for model in "ab":
            write(copy, f"metrics/score/{model}.json", json.dumps({model: {"f1": f1, "tiles": 8}}))
        write(copy, "metrics/rank.json", json.dumps({"cnn": {"a": {"average_rank": 2 - number}}}))
        write(copy, "plots/curve.csv", f"epoch,value\n1,0\n2,{f1}\n")
        write(copy, "plots/gallery/a.png", f"picture {number}")
        copy.commit(f"results {number}")
    (copy.folder / "metrics/score/b.json").unlink()
    copy.commit("one model less")
    return copy


def write(copy: Copy, name: str, text: str) -> None:
    path = copy.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def compare(copy: Copy, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = copy._environment() | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "stages.tools.compare", *arguments]
    return subprocess.run(command, cwd=copy.folder, env=environment, text=True, capture_output=True, check=False)


def test_two_commits(repository, tmp_path):
    out, drawn = tmp_path / "comment.md", tmp_path / "drawn"
    arguments = ("HEAD~2", "HEAD~1", "--out", str(out), "--plots", str(drawn), "--address", "https://example.org/x")
    finished = compare(repository, *arguments)
    assert finished.returncode == 0, finished.stderr
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("## `HEAD~2 (")
    for row in (
        "| model.lr | 0.001 | 0.0005 |",
        "| cnn | a | 2 | 1 |",
        "| score/a | f1 | 0.5 | 0.75 | +0.25 |",
        "| score/b | f1 | 0.5 | 0.75 | +0.25 |",
        "| score/a | a.tiles | 8 |",
        "Pictures that changed: `plots/gallery/a.png`.",
        "![A curve](https://example.org/x/plots_curve.png)",
    ):
        assert row in lines, row
    assert (drawn / "plots_curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_that_only_one_side_has_is_listed(repository):
    printed = compare(repository, "HEAD~1", "HEAD").stdout
    assert "| score/b | f1 | 0.75 | - | gone |" in printed
    assert "| score/a | a.f1 | 0.75 |" in printed  # among the unchanged


def test_a_revision_without_metrics_says_so(repository):
    empty = repository.run("git", "commit-tree", "-m", "empty", "4b825dc642cb6eb9a060e54bf8d69288fbee4904").strip()
    write(repository, ".git/objects/info/keep", "")
    printed = compare(repository, empty, empty)
    assert printed.returncode == 0, printed.stderr
    assert "Neither revision has metrics" in printed.stdout


def test_an_unknown_revision_is_one_line(repository, tmp_path):
    finished = compare(repository, "nowhere", "HEAD", "--out", str(tmp_path / "comment.md"))
    assert finished.returncode == 2
    assert finished.stderr.startswith("error: nowhere: git knows no such revision")
    assert finished.stderr.count("\n") == 1
    assert not Path(tmp_path / "comment.md").exists()
