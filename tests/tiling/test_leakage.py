"""What test tiles share with train tiles, by hand and on tiles whose twins are known."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages.datasets.images import Box
from stages.records.tiles import open_tiles
from stages.runtime.params import read_params
from stages.tiling.cutting import make_tiles
from stages.tiling.leakage import leakage, leakage_of_ways, tile_shas
from stages.tiling.settings import Split
from stages.tiling.splits import split_tiles
from tests.datasets.small_sets import TILE, noise, source_image, write_pixels


def test_shares_by_hand():
    index = pd.DataFrame(
        {
            "source": ["a", "a", "b", "b", "c", "d", "e"],
            "group": ["1", "1", "1", "1", "2", "3", "3"],
            "tile_sha": ["p", "q", "r", "p", "s", "p", "t"],
        }
    )
    assigned = np.array(["train", "test", "test", "test", "test", "unused", "val"])
    # test: a (its image is in train), b twice (its group is in train, one with the pixels of the train tile), c (clean)
    assert leakage(index, assigned) == {
        "test": 4,
        "source_tiles": 1,
        "source_percent": 25.0,
        "group_tiles": 3,
        "group_percent": 75.0,
        "pixels_tiles": 1,
        "pixels_percent": 25.0,
    }


def test_without_test_tiles_shares_are_not_defined():
    index = pd.DataFrame({"source": ["a"], "group": ["1"], "tile_sha": ["p"]})
    figures = leakage(index, np.array(["train"]))
    assert (figures["test"], figures["source_tiles"]) == (0, 0)
    assert math.isnan(figures["source_percent"])


@pytest.fixture
def tiles(tmp_path):
    """Ten groups of two images of 4 tiles each; the second image of a group has the pixels of the first."""
    images = []
    for number in range(20):
        path = write_pixels(tmp_path / "in" / f"{number:02d}.png", noise(36, 36, number // 2))
        images.append(source_image(path, boxes=(Box(0, 0, 9, 9, "short"),), group=f"{number // 2}"))
    (tmp_path / "tiles").mkdir()
    make_tiles(images, TILE, tmp_path / "tiles", 1)
    return open_tiles(tmp_path / "tiles")


def test_tiles_with_the_same_pixels_have_the_same_hash_and_no_others(tiles):
    shas = tile_shas(tiles)
    assert shas.shape == (80,)
    assert np.array_equal(shas.reshape(10, 2, 4)[:, 0], shas.reshape(10, 2, 4)[:, 1])
    assert len(set(shas)) == 40
    assert tiles.index.groupby("pixels_sha")["source"].nunique().tolist() == [2] * 10


def test_each_way_of_splitting_leaks_what_it_lets_through(tiles):
    split = replace(read_params().read(Split), by="group", seed=0, good_per_defective=None)
    table = split_tiles(tiles.index, split)
    report = leakage_of_ways(tiles, table, split)
    assert report["in_use"] == "group"
    clean = {"source_tiles": 0, "group_tiles": 0, "pixels_tiles": 0}
    assert clean.items() <= report["group"].items()
    # every test tile's image has other tiles in train, and most twins are there
    assert report["tile"]["source_percent"] > 80
    assert report["tile"]["group_percent"] >= report["tile"]["source_percent"]
    assert report["tile"]["pixels_percent"] > 50
    # the report does not depend on which way is in use
    by_tile = replace(split, by="tile")
    other = leakage_of_ways(tiles, split_tiles(tiles.index, by_tile), by_tile)
    assert other == report | {"in_use": "tile"}


def test_a_way_that_is_not_possible_is_null(tiles):
    index = tiles.index.assign(group="one")
    few = replace(tiles, index=index)
    split = replace(read_params().read(Split), by="tile", good_per_defective=None)
    assert leakage_of_ways(few, split_tiles(index, split), split)["group"] is None
