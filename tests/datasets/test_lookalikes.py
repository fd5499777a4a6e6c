"""Signatures turn with their pictures; copies are found whatever the turn, and nothing else is."""

import cv2
import numpy as np
import pytest

from stages.datasets import lookalikes
from stages.datasets.lookalikes import find_alike, signature, symmetries
from tests.datasets.small_sets import noise


def photograph(seed, height=60, width=60):
    """Return a smooth picture with contrast, H W 3 uint8."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def turns(pixels):
    """Return the picture under the eight, by indexing rather than by numpy's own turning of signatures."""
    mirrored = pixels[:, ::-1]
    return [way for first in (pixels, mirrored) for way in (first, first.swapaxes(0, 1)[::-1], first[::-1, ::-1])] + [
        pixels.swapaxes(0, 1)[:, ::-1],
        mirrored.swapaxes(0, 1)[:, ::-1],
    ]


def again(pixels):
    """Return the picture saved once more, with loss."""
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)


def test_a_signature_is_the_mean_of_each_block():
    pixels = np.repeat(np.repeat(np.arange(100, dtype=np.uint8).reshape(10, 10), 3, 0), 4, 1)  # 30 x 40
    assert np.array_equal(signature(np.dstack([pixels] * 3)), np.arange(100, dtype=np.float32).reshape(10, 10))


def test_a_pixel_between_two_blocks_counts_for_both_by_its_part():
    row = np.zeros((10, 15), np.uint8)
    row[:, 1] = 90  # blocks are 1.5 px wide: pixel 1 lies with one half in the first and one in the second
    expected = np.zeros((10, 10), np.float32)
    expected[:, :2] = 90 * 0.5 / 1.5
    assert np.allclose(signature(np.dstack([row] * 3)), expected, atol=1 / 256)


@pytest.mark.parametrize(("height", "width"), [(60, 60), (37, 53), (9, 5), (1, 1)])
def test_the_signature_of_a_turned_picture_is_the_turned_signature(height, width):
    pixels = noise(height, width)
    of_turns = np.stack([signature(np.ascontiguousarray(way)) for way in turns(pixels)])
    turned = np.concatenate(symmetries(signature(pixels)[None]))
    for one in of_turns:
        assert (np.abs(turned - one).max(axis=(1, 2)) <= 1 / 256).any()
    if min(height, width) > 1:
        assert len(np.unique(of_turns.round(1), axis=0)) == 8


def test_every_turned_and_recompressed_copy_is_found_and_no_other_picture():
    pictures = [photograph(seed) for seed in range(40)]
    originals = np.stack([signature(pixels) for pixels in pictures])
    for place, pixels in enumerate(pictures[:5]):
        copies = np.stack([signature(again(np.ascontiguousarray(way))) for way in turns(pixels)])
        pairs = find_alike(copies, originals)
        assert pairs.first.tolist() == list(range(8))
        assert set(pairs.second) == {place}
        assert pairs.as_is.tolist() == [True] + [False] * 7
        assert pairs.turned.tolist() == [False] + [True] * 7


def test_the_search_finds_what_comparing_all_with_all_finds(monkeypatch):
    monkeypatch.setattr(lookalikes, "PAIRS_AT_A_TIME", 7)
    rng = np.random.default_rng(3)
    among = rng.normal(100, 20, (60, 10, 10)).astype(np.float32)
    found = np.concatenate([symmetries(among)[turn][turn::8] for turn in range(8)])
    found = found + rng.normal(0, 1, found.shape).astype(np.float32) * rng.uniform(0, 1.5, (len(found), 1, 1))
    found = found.astype(np.float32)
    pairs = find_alike(found, among)
    expected = {
        (i, j)
        for i, one in enumerate(found)
        for j, other in enumerate(among)
        if min(np.sqrt(((way[0] - other) ** 2).mean()) for way in symmetries(one[None]))
        <= min(1, 0.05 * min(one.std(), other.std()))
    }
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == expected
    assert 0 < len(expected) < 60


def test_a_symmetric_picture_looks_the_same_in_both_ways():
    rows = np.repeat(np.arange(10, dtype=np.float32)[None] * 9, 10, 0)[None]  # a ramp: mirrored top to bottom the same
    pairs = find_alike(rows, rows)
    assert (pairs.as_is.tolist(), pairs.turned.tolist()) == ([True], [True])


def test_faint_pictures_that_differ_are_not_alike_and_blank_ones_are_like_nothing():
    rng = np.random.default_rng(0)
    faint = (128 + rng.normal(0, 2, (20, 10, 10))).astype(np.float32)
    assert len(find_alike(faint[:10], faint[10:]).first) == 0
    assert find_alike(faint, faint).second.tolist() == list(range(20))
    blank = np.full((1, 10, 10), 128, np.float32)
    assert len(find_alike(blank, blank).first) == 0
    mixed = np.concatenate([blank, faint[:1], blank, faint[1:2]])
    pairs = find_alike(mixed, mixed[::-1])
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([1, 3], [2, 0])


def test_nothing_looks_like_nothing():
    none, one = np.zeros((0, 10, 10), np.float32), np.ones((1, 10, 10), np.float32)
    for found, among in ((none, one), (one, none), (none, none)):
        assert len(find_alike(found, among).first) == 0
