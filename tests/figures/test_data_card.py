"""The data card: the same bytes again for every kind of truth, and all classes on it."""

import numpy as np
import pytest
from PIL import Image

from stages.figures.data_card import MAX_CLASSES, Card, draw_card
from stages.figures.tile_pictures import TilePictures

RANDOM = np.random.default_rng(0)


def samples(*kinds):
    mask = np.zeros((3, 32, 32), bool)
    mask[:, 4:20, 8:30] = True
    return TilePictures(RANDOM.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8), dict.fromkeys(kinds, mask))


def card(kinds, classes=("good", "short")):
    extents = {kind: np.array([1e-4, 0.01, 0.3, 1.0]) for kind in kinds}
    counts = {name: [70, 10, 20] for name in classes}
    return Card(
        "boards",
        [("images", "5")],
        ["train", "val", "test"],
        counts,
        extents,
        {name: samples(*kinds) for name in classes},
    )


def extent(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.mark.parametrize("kinds", [(), ("boxes",), ("exact",), ("boxes", "exact")])
def test_the_same_card_gives_the_same_bytes(tmp_path, kinds):
    drawn = card(kinds)
    for name in ("a.png", "b.png"):
        draw_card(tmp_path / name, drawn)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert extent(tmp_path / "a.png")[0] == 1130


def test_one_row_for_each_class_up_to_a_limit(tmp_path):
    heights = []
    for count in (2, MAX_CLASSES, MAX_CLASSES + 1):
        draw_card(tmp_path / "a.png", card(("boxes",), [f"class_{number}" for number in range(count)]))
        heights.append(extent(tmp_path / "a.png")[1])
    assert heights[1] - heights[0] > 1000
    assert 0 < heights[2] - heights[1] < 40  # one more line in the table, no more tiles


def test_truths_without_a_defective_tile(tmp_path):
    empty = card(("exact",))
    draw_card(tmp_path / "a.png", Card(**(vars(empty) | {"extents": {"exact": np.empty(0)}})))
    assert (tmp_path / "a.png").is_file()
