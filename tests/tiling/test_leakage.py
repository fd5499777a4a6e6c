"""What test tiles share with train tiles, by hand and on tiles whose twins are known."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages.datasets.images import Box
from stages.datasets.lookalikes import signature
from stages.records.shards import SIGNATURES_FILE
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.tiling.cutting import make_tiles
from stages.tiling.leakage import Looks, leakage, leakage_by_looks, leakage_of_ways, read_pixels
from stages.tiling.settings import Split
from stages.tiling.split_words import leaks_in_words
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


def test_looks_by_hand():
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(100, 20, (4, 10, 10)).astype(np.float32)
    quarter = np.rot90(b)
    index = pd.DataFrame({"source": ["1", "1", "2", "3", "3", "4"]})
    assigned = np.array(["train", "train", "test", "test", "test", "unused"])
    # tiles: train a, b; test b turned, a, d; images: train a; test c (as its unused twin), and a mirrored
    looks = Looks(np.stack([a, b, quarter, a, d, d]), np.stack([a, c, a[:, ::-1], c]))
    assert leakage_by_looks(index, looks, assigned) == {
        "alike_tiles": 1,
        "alike_percent": pytest.approx(100 / 3),
        "turned_tiles": 1,
        "turned_percent": pytest.approx(100 / 3),
        "test_images": 2,
        "alike_images": 0,
        "turned_images": 1,
    }


def test_an_image_is_no_copy_of_itself_and_one_that_is_there_unturned_is_not_called_turned():
    a = np.random.default_rng(0).normal(100, 20, (10, 10)).astype(np.float32)
    tiles = np.random.default_rng(1).normal(100, 20, (3, 10, 10)).astype(np.float32)
    one = leakage_by_looks(pd.DataFrame({"source": ["1", "1"]}), Looks(tiles[:2], a[None]), np.array(["train", "test"]))
    assert (one["test_images"], one["alike_images"], one["turned_images"]) == (1, 0, 0)
    both = leakage_by_looks(
        pd.DataFrame({"source": ["1", "2", "3"]}),
        Looks(tiles, np.stack([np.rot90(a), a, a])),
        np.array(["train", "train", "test"]),
    )
    assert (both["alike_images"], both["turned_images"]) == (1, 0)


def test_leaks_in_words():
    figures = {"test": 9, "alike_tiles": 0, "turned_tiles": 2, "test_images": 4, "alike_images": 1, "turned_images": 3}
    assert leaks_in_words(figures) == (
        "of 4 test images 1 look like a train image, 3 look like a train image turned or mirrored; "
        "of 9 test tiles 2 look like a train tile turned or mirrored"
    )
    assert leaks_in_words(dict.fromkeys(figures, 0)) == ""


def test_signatures_that_are_missing_or_of_other_images_are_refused(tiles):
    path = tiles.folder / SIGNATURES_FILE
    np.save(path, np.zeros((19, 10, 10), np.float32))
    with pytest.raises(InputError, match=r"signatures\.npy: of 19 images, but there are 20; run the tile stage again"):
        read_pixels(tiles)
    path.unlink()
    with pytest.raises(InputError, match=r"signatures\.npy: missing; run the tile stage"):
        read_pixels(tiles)


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
    shas, looks = read_pixels(tiles)
    assert looks.tiles.shape == (80, 10, 10) and looks.images.shape == (20, 10, 10)
    assert np.array_equal(looks.images[::2], looks.images[1::2])
    assert np.array_equal(looks.tiles[7], signature(tiles.images(np.arange(7, 8))[0]))
    assert shas.shape == (80,)
    assert np.array_equal(shas.reshape(10, 2, 4)[:, 0], shas.reshape(10, 2, 4)[:, 1])
    assert len(set(shas)) == 40
    assert tiles.index.groupby("pixels_sha")["source"].nunique().tolist() == [2] * 10


def test_each_way_of_splitting_leaks_what_it_lets_through(tiles):
    split = replace(read_params().read(Split), by="group", seed=0, good_per_defective=None)
    table = split_tiles(tiles.index, split)
    report = leakage_of_ways(tiles, table, split)
    assert report["in_use"] == "group"
    clean = {"source_tiles": 0, "group_tiles": 0, "pixels_tiles": 0, "alike_tiles": 0, "turned_images": 0}
    assert clean.items() <= report["group"].items()
    # every test tile's image has other tiles in train, and most twins are there
    assert report["tile"]["source_percent"] > 80
    assert report["tile"]["group_percent"] >= report["tile"]["source_percent"]
    assert report["tile"]["pixels_percent"] > 50
    assert report["tile"]["alike_tiles"] == report["tile"]["pixels_tiles"]  # tiles of noise are like nothing else
    # the report does not depend on which way is in use
    by_tile = replace(split, by="tile")
    other = leakage_of_ways(tiles, split_tiles(tiles.index, by_tile), by_tile)
    assert other == report | {"in_use": "tile"}


def test_a_way_that_is_not_possible_is_null(tiles):
    index = tiles.index.assign(group="one")
    few = replace(tiles, index=index)
    split = replace(read_params().read(Split), by="tile", good_per_defective=None)
    assert leakage_of_ways(few, split_tiles(index, split), split)["group"] is None
