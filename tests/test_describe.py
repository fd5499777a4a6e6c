"""Stage describe: its picture and its line, for tiles with boxes, masks and labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import describe as stage
from stages import split, tile
from stages.datasets.settings import Dataset
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.tiling.settings import Split
from tests.datasets.small_sets import TILE, spot, write_board, write_casting, write_magnetic
from tests.parameters import but


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    chosen = replace(real.read(Split), by="tile", seed=0, good_per_defective=None, official=False)
    return but(real, tile=TILE, split=chosen, dataset=replace(real.read(Dataset), root=str(tmp_path / "root")))


def described(params, name):
    params = but(params, dataset=replace(params.read(Dataset), name=name))
    tile.tile(params)
    split.split(params)
    return stage.describe(params)


def test_boxes(params, tmp_path):
    for group in range(10):
        write_board(tmp_path / "root", f"{group:02d}_a", (1, 1, 10, 10), seed=group)
    assert described(params, "pcb") == "describe: pcb: 60 tiles of 2 classes, truth: boxes"
    first = Path("plots/card.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    described(params, "pcb")
    assert Path("plots/card.png").read_bytes() == first


def test_masks_and_labels(params, tmp_path):
    mask = np.zeros((20, 20), np.uint8)
    for number in range(12):
        write_magnetic(tmp_path / "root", "Free", f"exp1_num_{number}", mask, number)
        write_magnetic(tmp_path / "root", "Break", f"exp1_num_{number + 50}", spot(20, 20), number)
    assert described(params, "magnetic_tile") == "describe: magnetic_tile: 24 tiles of 2 classes, truth: exact"
    write_casting(tmp_path / "root", 6)
    assert described(params, "casting") == "describe: casting: 24 tiles of 2 classes, truth: labels"


def test_missing_tiles_are_refused(params):
    with pytest.raises(InputError, match=r"index\.parquet: missing; run the tile stage"):
        stage.describe(params)
