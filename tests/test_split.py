"""Stage split: its record and its line; what cannot be split leaves the earlier split alone."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stages import split as stage
from stages import tile
from stages.datasets.settings import Dataset
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.tiling.settings import Split
from tests.datasets.small_sets import TILE, write_board
from tests.parameters import but

RECORD = Path("data/splits/pcb.parquet")


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    for group in range(10):
        write_board(tmp_path / "root", f"{group:02d}_a", (1, 1, 10, 10), seed=group)
    dataset = replace(real.read(Dataset), name="pcb", root=str(tmp_path / "root"))
    split = replace(real.read(Split), by="group", seed=0, train=0.7, val=0.1, test=0.2, good_per_defective=None)
    params = but(real, dataset=dataset, tile=TILE, split=split)
    tile.tile(params)
    return params


def test_ten_equal_groups(params):
    # Each group is one image of six tiles, one of them defective
    expected = "split: pcb by group: train 35 good + 7 defective, val 5 good + 1 defective, test 10 good + 2 defective"
    assert stage.split(params) == expected
    tiles = open_tiles(Path("data/tiles/pcb"), RECORD)
    assert tiles.index.groupby("group")["split"].nunique().eq(1).all()
    assert len(tiles.select("val").index) == 6


def test_the_record_is_the_same_bytes_again(params):
    stage.split(params)
    first = RECORD.read_bytes()
    stage.split(params)
    assert RECORD.read_bytes() == first
    assert list(pd.read_parquet(RECORD).columns) == ["tile_id", "split"]


def test_what_cannot_be_split_leaves_the_earlier_split_alone(params, tmp_path):
    stage.split(params)
    first = RECORD.read_bytes()
    for group in range(2, 10):
        (tmp_path / f"root/images/Short/{group:02d}_a.png").unlink()
    tile.tile(params)
    with pytest.raises(InputError, match=r"split\.by is 'group' but there are only 2"):
        stage.split(params)
    tile.tile(but(params, tile=replace(TILE, defect_threshold=1.0)))
    with pytest.raises(InputError, match="no tile of this data set is defective"):
        stage.split(but(params, split=replace(params.read(Split), by="tile")))
    assert RECORD.read_bytes() == first


def test_missing_tiles_are_refused(params):
    other = but(params, dataset=replace(params.read(Dataset), name="boards"))
    with pytest.raises(InputError, match=r"data/tiles/boards/index\.parquet: missing; run the tile stage"):
        stage.split(other)


def test_the_leakage_of_every_way_is_reported(params):
    stage.split(params)
    report = json.loads(Path("metrics/split.json").read_text())["pcb"]
    assert report["in_use"] == "group"
    assert set(report) == {"in_use", "group", "image", "tile"}
    # the twelve test tiles are two whole boards; at random nearly every board has a tile in train
    assert report["group"] == {
        "test": 12,
        **{f"{kind}_tiles": 0 for kind in ("source", "group", "pixels", "alike", "turned")},
        **{f"{kind}_percent": 0 for kind in ("source", "group", "pixels", "alike", "turned")},
        "test_images": 2,
        "alike_images": 0,
        "turned_images": 0,
    }
    assert report["tile"]["source_tiles"] == report["tile"]["group_tiles"] == report["tile"]["test"] == 12
