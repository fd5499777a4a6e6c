"""Where the user's images are, seen from the workspace and from DVC's temporary copy of the repository."""

from pathlib import Path

from stages.datasets.settings import Dataset
from stages.datasets.sources import find_root


def test_a_relative_root_starts_at_the_repository(tmp_path, monkeypatch):
    repository, copy = tmp_path / "repository", tmp_path / "repository/.dvc/tmp/exps/tmpabc"
    (repository / "shots/good").mkdir(parents=True)
    copy.mkdir(parents=True)
    dataset = Dataset("folder", "shots")
    monkeypatch.delenv("DVC_ROOT", raising=False)  # python -m stages.tile
    monkeypatch.chdir(repository)
    assert find_root(dataset).resolve() == repository / "shots"
    monkeypatch.setenv("DVC_ROOT", str(repository))  # dvc repro, dvc exp run
    assert find_root(dataset) == repository / "shots"
    monkeypatch.chdir(copy)  # dvc exp run --temp
    assert find_root(dataset) == repository / "shots"
    assert find_root(Dataset("folder", "../elsewhere")).resolve() == tmp_path / "elsewhere"


def test_an_absolute_root_and_a_home_stay_as_they_are(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/somebody")
    assert find_root(Dataset("folder", "/data/shots")) == Path("/data/shots")
    assert find_root(Dataset("folder", "~/shots")) == Path("/home/somebody/shots")
    assert find_root(Dataset("pcb", None)) == Path("data/raw/pcb")
