"""Rows of .npy files: what is read, how many files stay open, and what a broken file says."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.records.arrays import RowFile
from stages.runtime.errors import InputError
from tests.dependencies import REPOSITORY


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
@pytest.mark.parametrize(
    "rows", [[], [2], [0, 1, 2, 3], [3, 2, 2, 0], [0, 1, 3, 4, 1, 2], list(range(5))], ids=lambda rows: str(rows)
)
def test_rows_are_those_of_the_array(tmp_path: Path, dtype: type, rows: list[int]) -> None:
    array = np.random.default_rng(0).integers(0, 200, (5, 3, 2)).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    file = RowFile(tmp_path / "a.npy", "tile")
    assert (len(file), file.shape, file.ndim, file.dtype) == (5, (5, 3, 2), 3, dtype)
    found = file.read(np.array(rows, np.int64))
    assert found.dtype == dtype and found.flags.writeable and np.array_equal(found, array[rows])


def test_reading_into_places_of_a_larger_array(tmp_path: Path) -> None:
    array = np.arange(20, dtype=np.uint8).reshape(5, 4)
    np.save(tmp_path / "a.npy", array)
    whole = np.full((6, 4), 99, np.uint8)
    RowFile(tmp_path / "a.npy", "tile").read_into(whole, [0, 1, 3, 4], [2, 3, 4, 0])
    assert np.array_equal(whole[[0, 1, 3, 4]], array[[2, 3, 4, 0]]) and (whole[[2, 5]] == 99).all()


def test_broken_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with pytest.raises(InputError, match=r"a\.npy: missing; run the tile stage \(`dvc repro`\)"):
        RowFile(path, "tile")
    for content in (b"", b"cut", b"\x93NUMPY\x01\x00\xff"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npy: not readable \(.*\); run the tile stage again"):
            RowFile(path, "tile")
    for array in (np.array([{}], dtype=object), np.asfortranarray(np.zeros((3, 4))), np.float64(3)):
        np.save(path, array)
        with pytest.raises(InputError, match="not rows of numbers"):
            RowFile(path, "tile")
    np.save(path, np.zeros((4, 10), np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match="167 bytes, expected 168"):
        RowFile(path, "tile")


def test_what_happens_to_a_file_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 10), np.uint8))
    file = RowFile(path, "tile")
    for row in (-1, 4):
        with pytest.raises(InputError, match=rf"it has rows 0 to 3, not {row}"):
            file.read(np.array([0, row]))
    with pytest.raises(InputError, match=r"its rows are \(10,\) uint8, expected \(9,\) uint8"):
        file.read_into(np.zeros((1, 9), np.uint8), [0], [0])
    path.write_bytes(path.read_bytes()[:-15])
    assert file.read(np.array([0])).shape == (1, 10)
    with pytest.raises(InputError, match="it ends too early"):
        file.read(np.array([2]))
    path.unlink()
    with pytest.raises(InputError, match="missing; run the tile stage"):
        file.read(np.array([0]))


# Under a limit of 64 descriptors: 300 shards of tiles in a random order, then the maps of 40 models, all kept open.
FEW = """
import resource, os
from pathlib import Path
import numpy as np
import pandas as pd
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from stages.records import shards
from stages.heatmaps.maps import open_maps
from stages.heatmaps.new_maps import NewMaps
from stages.records.tiles import Tiles

shards.SHARD_TILES = 2
pixels = np.arange(600 * 3, dtype=np.uint32).view(np.uint8)[:1800].reshape(600, 1, 1, 3)
for kind, row in (("images", pixels), ("exact", pixels[..., 0])):
    with shards.ShardWriter(Path("."), kind, row.shape[1:]) as writer:
        writer.append(row)
number = np.arange(600)
index = pd.DataFrame({"shard": number // 2, "row": number % 2})
tiles = Tiles(Path("."), index)
order = np.random.default_rng(0).permutation(600)
for rows in np.split(order, 60):
    assert np.array_equal(tiles.images(rows), pixels[rows])
    tiles.truth("exact", rows)
opened = []
for model in range(40):
    folder = Path(str(model))
    folder.mkdir()
    new = NewMaps(folder, 3)
    new.write("cam", np.arange(3), np.full((3, 1, 2, 2), model, np.float32))
    new.write_logits(np.arange(3), np.zeros((3, 3), np.float32))
    new.commit(3)
    setting = {"name": "cam", "fusion": "cam", "discard": 0}
    method = {"cell_px": 8, "offset_px": 0, "ranges": True, "settings": [setting]}
    about = pd.DataFrame({"tile_id": list("abc"), "split": "test", "label": "good"})
    new.finish(about, ("good", "x", "y"), {"family": "cnn", "order": ["cam"], "methods": {"cam": method}})
    opened.append(open_maps(folder))
assert [maps.primary.read(np.array([1])).max() for maps in opened] == list(range(40))
print(len(os.listdir("/proc/self/fd")) - 1 if os.path.isdir("/proc/self/fd") else 0)
"""


def test_few_files_are_open_at_a_time(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 64
    ran = subprocess.run(
        [sys.executable, "-c", FEW], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        text=True, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 16
