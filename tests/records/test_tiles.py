"""Opening tiles: rows by position, splits, truth, and broken or missing files."""

import numpy as np
import pandas as pd
import pytest

from stages.datasets.images import Box
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.tiling.cutting import make_tiles
from tests.datasets.small_sets import TILE, noise, source_image, write_pixels


@pytest.fixture
def folder(tmp_path):
    # one row of five windows: x = 0, 16, 32, 48, 64; the box lies in the first two
    image = source_image(write_pixels(tmp_path / "a.png", noise(20, 84)), boxes=(Box(10, 0, 20, 10, "short"),))
    (tmp_path / "tiles").mkdir()
    make_tiles([image], TILE, tmp_path / "tiles", 1)
    return tmp_path / "tiles"


def write_split(folder, splits):
    index = pd.read_parquet(folder / "index.parquet")
    path = folder.parent / "split.parquet"
    pd.DataFrame({"tile_id": index["tile_id"], "split": splits}).to_parquet(path, index=False)
    return path


def test_positions_may_be_in_any_order_and_repeat(folder):
    tiles = open_tiles(folder)
    pixels = noise(20, 84)
    images = tiles.images(np.array([3, 0, 3]))
    assert np.array_equal(images, [pixels[:, 48:68], pixels[:, :20], pixels[:, 48:68]])
    assert images.flags.writeable
    assert tiles.images(np.array([], dtype=int)).shape == (0, 20, 20, 3)
    assert (len(tiles), tiles.px) == (5, 20)


def test_truth_and_labels(folder):
    tiles = open_tiles(folder)
    assert tiles.truths == ("boxes",)
    truth = tiles.truth("boxes", np.array([1, 0, 4]))
    assert truth.dtype == bool
    assert truth.sum(axis=(1, 2)).tolist() == [40, 100, 0]
    assert truth[0, :10, :4].all()
    assert tiles.labels.tolist() == [True, True, False, False, False]
    with pytest.raises(InputError, match="no 'exact' truth; it has: boxes"):
        tiles.truth("exact", np.array([0]))


def test_a_selection_keeps_order_and_numbers_rows_anew(folder):
    tiles = open_tiles(folder, write_split(folder, ["test", "train", "val", "train", "test"]))
    train = tiles.select("train")
    assert train.index["x"].tolist() == [16, 48]
    assert np.array_equal(train.images(np.array([1])), tiles.images(np.array([3])))
    assert tiles.select(("val", "test")).index["x"].tolist() == [0, 32, 64]


def test_an_empty_selection_or_a_missing_split_is_refused(folder):
    tiles = open_tiles(folder, write_split(folder, ["train"] * 5))
    with pytest.raises(InputError, match="no tile is in split val or test"):
        tiles.select(("val", "test"))
    with pytest.raises(InputError, match="opened without a split file"):
        open_tiles(folder).select("train")


def test_classes_and_their_codes(folder):
    tiles = open_tiles(folder, write_split(folder, ["train", "train", "val", "test", "test"]))
    assert tiles.classes == ("good", "short")
    assert tiles.class_codes(("good", "short")).tolist() == [1, 1, 0, 0, 0]
    assert tiles.class_codes(["spur", "short", "good"]).dtype == np.int64
    assert tiles.class_codes(["spur", "short", "good"]).tolist() == [1, 1, 2, 2, 2]
    assert tiles.select("train").classes == ("short",)
    with pytest.raises(InputError, match=r"has tiles of class 'good'; known: short"):
        tiles.class_codes(["short"])


def test_missing_and_broken_files_are_refused(folder):
    with pytest.raises(InputError, match=r"nowhere/index\.parquet: missing; run the tile stage"):
        open_tiles(folder.parent / "nowhere")
    with pytest.raises(InputError, match=r"split\.parquet: missing; run the split stage"):
        open_tiles(folder, folder / "split.parquet")
    other = write_split(folder, ["train"] * 5)
    pd.read_parquet(other).iloc[::-1].to_parquet(other, index=False)
    with pytest.raises(InputError, match=r"split\.parquet: is not the split of"):
        open_tiles(folder, other)
    (folder / "images-0000.npy").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"images-0000\.npy: not readable"):
        open_tiles(folder).images(np.array([0]))
    (folder / "images-0000.npy").unlink()
    with pytest.raises(InputError, match=r"images-0000\.npy: missing"):
        open_tiles(folder).images(np.array([0]))
    (folder / "index.parquet").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"index\.parquet: not readable"):
        open_tiles(folder)
