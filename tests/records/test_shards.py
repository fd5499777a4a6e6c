"""Shard files: what was appended can be read, whatever the pieces."""

import numpy as np
import pytest

from stages.records.shards import ShardWriter


@pytest.mark.parametrize("pieces", [[5], [1, 1, 3], [2, 3], [4, 1], [0, 5]])
def test_pieces_do_not_change_the_files(tmp_path, monkeypatch, pieces):
    monkeypatch.setattr("stages.records.shards.SHARD_TILES", 2)
    rows = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)
    with ShardWriter(tmp_path, "images", (3, 4)) as writer:
        for piece in np.split(rows, np.cumsum(pieces)[:-1]):
            writer.append(piece)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["images-0000.npy", "images-0001.npy", "images-0002.npy"]
    loaded = [np.load(path, mmap_mode="r") for path in files]
    assert [len(part) for part in loaded] == [2, 2, 1]
    assert np.array_equal(np.concatenate(loaded), rows)


def test_a_full_shard_has_no_empty_successor(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.records.shards.SHARD_TILES", 2)
    with ShardWriter(tmp_path, "images", (1,)) as writer:
        writer.append(np.zeros((4, 1), np.uint8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images-0000.npy", "images-0001.npy"]
    assert len(np.load(tmp_path / "images-0001.npy")) == 2
