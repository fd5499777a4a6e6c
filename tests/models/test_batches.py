"""Batches: which tiles an epoch sees, mirror images, and what a model gets."""

import numpy as np

from stages.models.batches import Labelled, draw_flips, epoch_order, flip, to_images
from tests.models.tiny import CPU, MemoryTiles


def test_epoch_order_draws_good_tiles_anew() -> None:
    defective = np.array([True] * 5 + [False] * 100)
    first, second = epoch_order(defective, 3.0, 0, 1), epoch_order(defective, 3.0, 0, 2)
    assert len(first) == 20 and set(range(5)) <= set(first) and len(set(first)) == 20
    assert set(first) != set(second) and (first == epoch_order(defective, 3.0, 0, 1)).all()
    assert sorted(epoch_order(defective, None, 0, 1)) == list(range(105))
    assert len(epoch_order(defective, 50.0, 0, 1)) == 105  # never more than there are


def test_without_good_tiles_all_are_visited() -> None:
    assert sorted(epoch_order(np.ones(7, bool), 1.0, 0, 1)) == list(range(7))


def test_every_class_but_good_is_defective() -> None:
    tiles, codes = MemoryTiles(np.zeros((3, 2, 2, 3), np.uint8)), np.array([0, 1, 2])
    assert Labelled(tiles, codes, ("good", "a", "b")).defective.tolist() == [False, True, True]
    assert Labelled(tiles, codes, ("a", "b", "c")).defective.all()


def test_flips_are_the_four_mirror_images() -> None:
    tile = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    tiles = np.repeat(tile, 200, axis=0)
    flips = draw_flips(200, np.random.default_rng(0))
    seen = {flipped.tobytes() for flipped in flip(tiles, flips)}
    assert seen == {tile[0][::a, ::b].tobytes() for a in (1, -1) for b in (1, -1)}
    assert (tiles == tile).all()  # the input is not changed
    # a share of a batch is flipped as the batch is
    assert (flip(tiles[50:60], flips[:, 50:60]) == flip(tiles, flips)[50:60]).all()


def test_images_are_channels_first_in_0_to_1() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 1, 0, 2] = 255
    images = to_images(pixels, CPU)
    assert images.shape == (1, 3, 2, 2) and images[0, 2, 1, 0] == 1 and images.sum() == 1
