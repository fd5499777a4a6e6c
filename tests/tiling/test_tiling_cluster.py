"""Cutting images on a Dask cluster of two worker processes: the same bytes as by threads, bad images included."""

from pathlib import Path

import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box
from stages.runtime.errors import InputError
from stages.tiling.cutting import make_tiles
from tests.datasets.small_sets import TILE, noise, source_image, write_pixels

pytestmark = pytest.mark.slow  # two processes that import OpenCV and pandas: ten seconds and more


@pytest.fixture(scope="module")
def scheduler():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


def images_in(folder: Path, count: int):
    for number in range(count):
        path = write_pixels(folder / f"{number:02d}.png", noise(20 + 16 * (number % 3), 40, number))
        yield source_image(path, boxes=(Box(0, 0, number, number, "short"),) if number else ())


def written(folder: Path, images, cluster, bad_files=None) -> dict[str, bytes]:
    folder.mkdir()
    make_tiles(images, TILE, folder, 2, cluster, bad_files)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_workers_write_the_shards_that_threads_write(tmp_path, scheduler):
    images = list(images_in(tmp_path / "in", 11))
    here = written(tmp_path / "threads", images, None)
    assert sorted(here) == ["boxes-0000.npy", "images-0000.npy", "index.parquet"]
    assert written(tmp_path / "cluster", images, scheduler) == here


def test_a_broken_image_is_refused_or_left_out_there_as_here(tmp_path, scheduler):
    images = list(images_in(tmp_path / "in", 6))
    (tmp_path / "in/03.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"03\.png: the image is truncated"):
        written(tmp_path / "refused", images, scheduler)
    here, there = BadFiles(skip=True), BadFiles(skip=True)
    expected = written(tmp_path / "threads", images, None, here)
    assert written(tmp_path / "cluster", images, scheduler, there) == expected
    assert here.skipped == there.skipped
    assert [item["file"] for item in here.skipped] == ["03.png"]
