"""Counts that follow from a data set's annotations alone: HRIPCB's 693 XML files give 76,680 tiles of 224 px.

Each board design has images of one extent, so its tiles are images x windows an image. The extents here are made up to
give the published windows an image; where the real files are at hand (DEFECTLENS_HRIPCB names the folder that holds
images/ and Annotations/), they are counted too.
"""

import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from stages.datasets.voc import read_annotation
from stages.tiling.settings import Tile
from stages.tiling.windows import windows

THESIS_TILE = Tile(px=224, overlap_px=2, mode="window", border="drop", defect_threshold=0.01)
BOARDS = ("01", "04", "05", "06", "07", "08", "09", "10", "11", "12")
TILES_AN_IMAGE = (91, 143, 99, 120, 104, 108, 108, 90, 100, 121)
IMAGES = (120, 120, 60, 61, 60, 60, 60, 32, 60, 60)
ROWS_AND_COLUMNS = ((7, 13), (11, 13), (9, 11), (10, 12), (8, 13), (9, 12), (9, 12), (9, 10), (10, 10), (11, 11))
TOTAL = 76_680


def extent(windows_along: int, spare_px: int) -> int:
    """Return the length in pixels that has room for so many windows, 222 apart, and a rest."""
    return 224 + (windows_along - 1) * 222 + spare_px


@pytest.mark.parametrize("spare_px", [0, 1, 221])
def test_tiles_from_extents_alone(spare_px):
    per_image = [
        len(windows(extent(rows, spare_px), extent(columns, spare_px), THESIS_TILE))
        for rows, columns in ROWS_AND_COLUMNS
    ]
    assert tuple(per_image) == TILES_AN_IMAGE
    assert sum(IMAGES) == 693
    assert sum(tiles * images for tiles, images in zip(per_image, IMAGES, strict=True)) == TOTAL


def test_tiles_from_the_published_annotations():
    folder = os.environ.get("DEFECTLENS_HRIPCB")
    if not folder:
        pytest.skip("DEFECTLENS_HRIPCB does not name a copy of HRIPCB, which the project must not contain")
    tiles: dict[str, set[int]] = defaultdict(set)
    images: Counter[str] = Counter()
    total = 0
    for path in sorted((Path(folder) / "Annotations").rglob("*.xml")):
        annotation = read_annotation(path)
        count = len(windows(*annotation.shape, THESIS_TILE))
        tiles[path.name[:2]].add(count)
        images[path.name[:2]] += 1
        total += count
    assert dict(images) == dict(zip(BOARDS, IMAGES, strict=True))
    assert tiles == {board: {count} for board, count in zip(BOARDS, TILES_AN_IMAGE, strict=True)}
    assert total == TOTAL
