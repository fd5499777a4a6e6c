"""Masks of NEU-Seg for images of NEU-DET: matched by pixels, through download and tile; what cannot be is one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.datasets.settings import Dataset
from stages.download import download
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.tile import tile
from tests.datasets.small_sets import TILE, noise, voc, write_pixels, write_text
from tests.parameters import but

PARAMS = read_params()
BOX = (2, 2, 11, 11)  # columns and rows 1 to 10 of the picture, 100 px


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Five images of NEU-DET, the first three of them in NEU-Seg too, which has one of its own."""
    detected, segmented = tmp_path / "det", tmp_path / "seg"
    names = ("inclusion_1", "patches_1", "scratches_1", "crazing_1", "pitted_surface_1")
    for number, name in enumerate(names):
        write_text(detected / f"ANNOTATIONS/{name}.xml", voc(20, 20, BOX, name=name[:-2]))
        write_pixels(detected / f"IMAGES/{name}.png", noise(20, 20, number))
    for number, (part, value) in enumerate((("training", 1), ("test", 2), ("test", 3))):
        write_pixels(segmented / f"images/{part}/9{number}.png", noise(20, 20, number))
        write_mask(segmented, f"{part}/9{number}", value)
    write_pixels(segmented / "images/training/1.png", noise(20, 20, 77))
    write_mask(segmented, "training/1", 1)
    monkeypatch.chdir(tmp_path)
    return detected, segmented


def write_mask(root: Path, name: str, value: int, rows: slice = slice(3, 8)) -> Path:
    mask = np.zeros((20, 20), np.uint8)
    mask[rows, 3:8] = value  # 25 px, a quarter of the box
    return write_pixels(root / f"annotations/{name}.png", mask)


def of(roots: tuple[Path, Path], **changes: Any) -> Params:
    given = replace(Dataset("neu_det", str(roots[0]), masks_from=str(roots[1])), **changes)
    return but(PARAMS, dataset=given, tile=replace(TILE, mode="resize", px=20, defect_threshold=0.2))


def record() -> Any:
    return json.loads(Path("data/raw/neu_det/SOURCE.json").read_text())["masks"]


def test_images_get_the_masks_of_the_same_pixels_and_the_others_keep_boxes_alone(roots: tuple[Path, Path]) -> None:
    params = of(roots)
    assert "exact masks of 3 of 3 boxes in 3 images" in download(params)
    assert record() == {
        "made_by": "masks of NEU-Seg, of the same pixels",
        "images": 3,
        "of_images": 5,
        "boxes": 3,
        "boxes_without_change": {},
        "beside_boxes": [],
        "with_masks_that_differ": 0,
        "median_share_of_boxes": {"inclusion": 0.25, "patches": 0.25, "scratches": 0.25},
    }
    assert "2 images with boxes alone, where others have an exact mask" in tile(params)
    tiles = open_tiles(Path("data/tiles/neu_det"))
    kinds = tiles.index["defect_class"].tolist()
    assert kinds == ["crazing", "inclusion", "patches", "pitted_surface", "scratches"]
    # A box is a quarter of the tile, a mask a sixteenth: were the masks to label some tiles, those would be good.
    assert set(tiles.index["label"]) == {"defective"} and set(tiles.index["annotation"]) == {"boxes"}
    assert tiles.index["exact_px"].tolist() == [-1, 25, 25, -1, 25]
    assert tiles.known("exact").tolist() == [False, True, True, False, True] and tiles.known("boxes").all()
    every = np.arange(5)
    assert tiles.truth("boxes", every).sum(axis=(1, 2)).tolist() == [100] * 5
    exact = tiles.truth("exact", every)
    assert exact.sum(axis=(1, 2)).tolist() == [0, 25, 25, 0, 25] and exact[1, 3:8, 3:8].all()


def test_without_the_folder_or_where_no_masks_are_wanted_boxes_are_all(roots: tuple[Path, Path]) -> None:
    for params in (of(roots, masks_from=None), of(roots, derive_masks=False)):
        download(params)
        assert "boxes alone" not in tile(params)
        assert open_tiles(Path("data/tiles/neu_det")).truths == ("boxes",)


def test_two_masks_of_one_picture_and_masks_beside_the_boxes_are_counted(roots: tuple[Path, Path]) -> None:
    write_pixels(roots[1] / "images/training/95.png", noise(20, 20, 1))  # patches_1 again; test/91 comes first
    write_mask(roots[1], "training/95", 2, slice(3, 4))
    write_mask(roots[1], "test/92", 3, slice(14, 18))  # below the box of scratches_1
    params = of(roots)
    download(params)
    found = record()
    assert (found["images"], found["with_masks_that_differ"]) == (2, 1)
    assert found["beside_boxes"] == ["IMAGES/scratches_1.png"] and found["median_share_of_boxes"]["patches"] == 0.25
    tile(params)
    index = open_tiles(Path("data/tiles/neu_det")).index
    assert index["exact_px"].tolist() == [-1, 25, 25, -1, -1]


def test_a_box_that_the_mask_leaves_empty_is_counted(roots: tuple[Path, Path]) -> None:
    write_text(roots[0] / "ANNOTATIONS/inclusion_1.xml", voc(20, 20, BOX, (13, 13, 19, 19), name="inclusion"))
    assert "exact masks of 3 of 4 boxes in 3 images" in download(of(roots))
    assert record()["boxes_without_change"] == {"IMAGES/inclusion_1.png": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"masks_from": "nowhere"},
            r"^params.yaml: dataset.masks_from: nowhere is no folder; name that of NEU-Seg, or",
        ),
        (
            {"masks_from": "det"},
            r"^det: not in the layout of NEU-Seg \(folders images/ and .*name its folder, or set it to null$",
        ),
        (
            {"masks_from": "other"},
            r"^other: no picture is one of neu_det's; dataset.masks_from wants the folder of NEU-S",
        ),
    ],
)
def test_a_folder_that_does_not_help_is_one_line(
    roots: tuple[Path, Path], changes: dict[str, Any], message: str
) -> None:
    other = roots[1].with_name("other")
    write_pixels(other / "images/test/1.png", noise(20, 20, 99))
    write_mask(other, "test/1", 1)
    (roots[0] / "IMAGES").rename(roots[0] / "JPEGImages")  # a folder that is not NEU-Seg's, and still NEU-DET
    with pytest.raises(InputError, match=message):
        download(of(roots, **changes))
    assert not Path("data/raw/neu_det").exists()


def test_masks_of_another_extent_and_of_another_data_set_are_refused(roots: tuple[Path, Path]) -> None:
    write_pixels(roots[1] / "annotations/training/90.png", np.ones((20, 19), np.uint8))
    with pytest.raises(
        InputError, match=r"90.png: 19x20 px, but its image is 20x20 px; replace it or set dataset.masks"
    ):
        download(of(roots))
    with pytest.raises(
        InputError, match=r"dataset.masks_from is seg, but only neu_det has masks of another data set, n"
    ):
        Dataset("pcb", None, masks_from="seg")
