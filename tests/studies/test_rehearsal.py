"""Rehearsals as users start them: whole pipelines, hence slow.

The four published studies need real images: DEFECTLENS_STUDY_DATA names a folder that has hripcb, neu-det,
casting-sample and labelme (any images with labelme polygons, which stand in for GID's), each in its publisher's layout.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import REPOSITORY
from tests.studies.gid_layout import as_gid

DATA = os.environ.get("DEFECTLENS_STUDY_DATA")
FOLDERS = {"thesis_pcb": "hripcb", "paper_neu_det": "neu-det", "paper_casting": "casting-sample"}
TINY = (
    "~models",
    "+models={tiny_cnn:{family:cnn,arch:test_efficientnet.r160_in1k,stride:16},tiny_vit:{family:vit,arch:test_vit.r160_in1k}}",
    "tile.px=160",
    "head.map_stride=null",
    "boards.designs=4",
    "tune.trials=2",
    "tune.batch=[8]",
    "model.lr=tuned",
)


def rehearse(name: str, *said: str) -> str:
    arguments = [word for one in said for word in ("-S", one)]
    command = [sys.executable, "-m", "stages.study", name, "--rehearse", *arguments]
    finished = subprocess.run(command, text=True, capture_output=True, check=False, cwd=REPOSITORY)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def check_printed(printed: str, name: str, models: int) -> None:
    stages = re.findall(r"^ *[\d.]+ s +[\d.]+ GB  (\w+)", printed, re.MULTILINE)
    last = ["tile", "split", "describe", "rank", "report"]
    assert [stage for stage in stages if stage in last][-5:] == last
    for stage in ("tune", "adopt", "train", "explain", "score", "draw", "perturb", "time"):
        assert stages.count(stage) == models
    assert re.search(rf"^rehearsal of {name}: \d+ stages in .*; \d+ of \d+ images, \d+ tiles$", printed, re.MULTILINE)
    assert re.search(r"^the study on this device: about \d+ tiles, \d+ (s|min|h|d)", printed, re.MULTILINE)
    assert len(re.findall(r"tiles a second trained, [\d.e+]+ explained$", printed, re.MULTILINE)) == models
    assert re.search(r"^disk: [\d.]+ GB .* memory: [\d.]+ GB \(\w+(@\w+)?\)", printed, re.MULTILINE)


@pytest.mark.slow
def test_a_rehearsal_runs_every_stage_and_leaves_the_repository_as_it_is() -> None:
    def files() -> list[tuple[str, int]]:
        listed = (path for top in ("data", "metrics", "plots") for path in (REPOSITORY / top).rglob("*"))
        kept = [REPOSITORY / "params.yaml", REPOSITORY / "dvc.lock", *listed]
        return sorted((str(path), path.stat().st_mtime_ns) for path in kept)

    before = files()
    check_printed(rehearse("boards_flips", *TINY), "boards_flips", models=2)
    assert files() == before


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="DEFECTLENS_STUDY_DATA names no folder of real images")
@pytest.mark.parametrize("name", ["thesis_pcb", "thesis_gid", "paper_casting", "paper_neu_det"])
def test_a_published_study_is_rehearsed_on_real_images(name: str, tmp_path: Path) -> None:
    data = Path(DATA or "")
    root = data / FOLDERS[name] if name in FOLDERS else as_gid(data / "labelme", tmp_path / "gid")
    printed = rehearse(name, f"dataset.root='{root.resolve()}'")
    check_printed(printed, name, models=6 if name.startswith("thesis") else 2)
