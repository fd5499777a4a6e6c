"""The curve of what annotation would buy: how many tiles are annotated, which seeds, and the same as the reference."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.annotate_value import annotate_value
from stages.explain import explain
from stages.figures.annotation_curve import Curve, beaten_from, words_of
from stages.records.paths import metrics_file, split_file, tiles_folder
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.score import score
from stages.supervise import supervise
from stages.train import train
from tests.dependencies import REPOSITORY
from tests.models.tiny import tiny_project
from tests.parameters import but

CNN = {"family": "cnn", "arch": "test_efficientnet", "stride": 16}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    tiny_project(tmp_path, {"cnn": CNN}, {"epochs": 2, "lr": 0.01}, tiles=36)
    monkeypatch.chdir(tmp_path)
    pixels = np.load(tiles_folder("boards") / "images-0000.npy")
    marked = ((pixels == 250) | (pixels == 0)).all(axis=3)
    np.save(tiles_folder("boards") / "boxes-0000.npy", np.packbits(marked, axis=2))
    split = pd.read_parquet(split_file("boards"))
    split.loc[30:, "split"] = "test"
    split.to_parquet(split_file("boards"), index=False)
    index = pd.read_parquet(tiles_folder("boards") / "index.parquet").assign(width=np.int32(32), height=np.int32(32))
    index.to_parquet(tiles_folder("boards") / "index.parquet", index=False)
    real = read_params()
    return but(real, explain=real.get("explain") | {"references": ["supervised"], "control": False})


def test_every_share_and_seed_is_a_point_and_all_of_them_is_the_reference(params: Params) -> None:
    for stage in (train, supervise, explain, score):
        stage(params, "cnn")
    scored = json.loads(metrics_file("score", "cnn").read_text())["cnn"]["boxes"]
    said = annotate_value(params, "cnn", [1.0, 0.1], [0, 1], Path("out"))
    with Path("out/curve.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["share"], line["annotated_tiles"], line["seed"]) for line in lines] == [
        *(("0.1", "2", "0"), ("0.1", "2", "1"), ("1.0", "16", "0"), ("1.0", "16", "1"))
    ]
    assert {line["truth"] for line in lines} == {"boxes"} and {line["metric"] for line in lines} == {"f1"}
    assert {float(line["labels_alone"]) for line in lines} == {scored["cam"]["f1"]}
    assert float(lines[2]["value"]) == pytest.approx(scored["supervised"]["f1"], abs=2e-3)  # maps on disk are places
    assert said.startswith("annotate_value cnn: against boxes f1 ") and Path("out/curve.png").stat().st_size > 5000
    assert not list(Path("data/checkpoints").glob("*-*"))
    first = Path("out/curve.csv").read_bytes(), Path("out/curve.png").read_bytes()
    annotate_value(params, "cnn", [0.1, 1.0], [0, 1], Path("again"))
    assert (Path("again/curve.csv").read_bytes(), Path("again/curve.png").read_bytes()) == first
    with pytest.raises(InputError, match="models has no 'net'; it has: cnn"):
        annotate_value(params, "net", [1.0], [0], Path("out"))
    (tiles_folder("boards") / "boxes-0000.npy").unlink()
    with pytest.raises(InputError, match="no annotated area, so there is nothing to teach by"):
        annotate_value(params, "cnn", [1.0], [0], Path("out"))


def test_from_where_labels_alone_are_beaten() -> None:
    points = [(2, 0.7), (2, 0.9), (5, 0.3), (9, 0.5), (9, 0.7)]
    assert beaten_from(Curve(points, 0.55)) == 9  # five tiles do worse, so two were luck
    assert beaten_from(Curve(points, 0.25)) == 2
    assert beaten_from(Curve(points, 0.6)) is None
    assert words_of({"exact": Curve(points, 0.55), "boxes": Curve(points, 0.6)}, "f1") == (
        "against exact masks f1 0.550 of labels alone is beaten from 9 annotated tiles on; "
        "against boxes f1 0.600 of labels alone is not beaten by as many as were tried"
    )


@pytest.mark.parametrize("wrong", [("--shares", "0"), ("--shares", "0.5", "1.5"), ("--seeds", "-1")])
def test_shares_and_seeds_that_cannot_be_are_refused(wrong: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "stages.annotate_value", "net", *wrong]
    finished = subprocess.run(command, text=True, capture_output=True, cwd=REPOSITORY)
    assert finished.returncode == 2 and "shares are above 0 and at most 1, seeds 0 or more" in finished.stderr
