"""What the data card says, by hand on a handful of tiles."""

import numpy as np
import pandas as pd
import pytest

from stages.datasets.images import Box
from stages.records.tiles import open_tiles
from stages.tiling.card import brightness, class_counts, defect_extents, sample_positions
from stages.tiling.cutting import make_tiles
from tests.datasets.small_sets import TILE, source_image, write_pixels

PIXELS = np.concatenate([np.full((20, 20, 3), level, np.uint8) for level in (0, 100, 200)], axis=1)


@pytest.fixture
def tiles(tmp_path):
    """One image of 20 x 60 px without overlap: three tiles of brightness 0, 100, 200, the first two with a box."""
    boxes = (Box(0, 0, 10, 20, "short"), Box(20, 0, 24, 5, "spur"))
    image = source_image(write_pixels(tmp_path / "a.png", PIXELS), boxes=boxes, defect_class="")
    (tmp_path / "tiles").mkdir()
    make_tiles([image], TILE.__class__(20, 0, "window", "drop", 0.01), tmp_path / "tiles", 1)
    split = pd.DataFrame({"tile_id": ["a.png@0,0", "a.png@20,0", "a.png@40,0"], "split": ["train", "test", "unused"]})
    split.to_parquet(tmp_path / "split.parquet")
    return open_tiles(tmp_path / "tiles", tmp_path / "split.parquet")


def test_counts_are_in_the_order_of_classes_and_splits(tiles):
    table = class_counts(tiles)
    assert list(table.index) == ["good", "short", "spur"]
    assert list(table.columns) == ["train", "val", "test", "unused"]
    assert table.to_numpy().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert list(class_counts(tiles.select(("train", "test"))).columns) == ["train", "val", "test"]


def test_extents_are_shares_of_defective_tiles(tiles):
    assert defect_extents(tiles, "boxes").tolist() == [0.5, 0.05]
    assert defect_extents(tiles.select("unused"), "boxes").shape == (0,)


def test_brightness_is_over_all_pixels(tiles):
    light = brightness(tiles)
    assert light.mean == pytest.approx(100)
    assert light.deviation == pytest.approx(np.sqrt(20000 / 3))


def test_samples_run_from_small_to_large_areas_and_are_distinct(tiles):
    assert {name: rows.tolist() for name, rows in sample_positions(tiles, 4).items()} == {
        "good": [2],
        "short": [0],
        "spur": [1],
    }
    many = tiles.index.iloc[[0] * 10].assign(defect_px=[5, 3, 9, 1, 7, 2, 8, 4, 6, 0]).reset_index(drop=True)
    (rows,) = sample_positions(tiles.__class__(tiles.folder, many), 2).values()
    # areas 0..9 in order: the middles of two halves are the 3rd and the 8th of ten, counted from 1
    assert many["defect_px"][rows].tolist() == [2, 7]
