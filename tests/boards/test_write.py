"""The data set on disk: the layout of HRIPCB plus masks, the same bytes each time, one clear error."""

import dataclasses
import re
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from stages.boards.defects import KINDS
from stages.boards.settings import Boards
from stages.boards.write import generate_boards
from stages.runtime.errors import InputError

BOARDS = Boards(
    seed=1, clutter=True, designs=2, boards_per_kind=1, width_px=448, height_px=448, min_defects=1, max_defects=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards")
    generate_boards(BOARDS, folder)
    return folder


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def boxes_of(xml):
    keys = ("xmin", "ymin", "xmax", "ymax")
    return [[int(item.findtext(f"bndbox/{key}")) for key in keys] for item in xml.iterfind("object")]


def test_files_are_those_of_hripcb_plus_masks(folder):
    expected = {f"PCB_USED/{design}.JPG" for design in ("01", "02")}
    for kind, name in ((kind, about.folder) for kind, about in KINDS.items()):
        for design in ("01", "02"):
            stem = f"{name}/{design}_{kind}_01"
            expected |= {f"images/{stem}.jpg", f"Annotations/{stem}.xml", f"masks/{stem}.png"}
    assert set(content(folder)) == expected


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    generate_boards(dataclasses.replace(BOARDS), tmp_path)
    assert content(tmp_path) == content(folder)


def test_a_design_does_not_depend_on_how_many_there_are(folder, tmp_path):
    generate_boards(dataclasses.replace(BOARDS, designs=1), tmp_path)
    first = {name: data for name, data in content(folder).items() if re.search(r"/01[._]", name)}
    assert content(tmp_path) == first


def test_another_seed_gives_other_boards(folder, tmp_path):
    generate_boards(dataclasses.replace(BOARDS, designs=1, seed=2), tmp_path)
    assert all(content(folder)[name] != data for name, data in content(tmp_path).items())


def test_annotations_say_file_size_and_boxes(folder):
    for path in sorted(folder.glob("Annotations/*/*.xml")):
        xml = ElementTree.parse(path).getroot()
        assert xml.findtext("folder") == path.parent.name
        assert xml.findtext("filename") == f"{path.stem}.jpg"
        assert [xml.findtext(f"size/{key}") for key in ("width", "height", "depth")] == ["448", "448", "3"]
        kind = KINDS.keys() & {item.findtext("name") for item in xml.iterfind("object")}
        assert {KINDS[name].folder for name in kind} == {path.parent.name}
        assert BOARDS.min_defects <= len(boxes_of(xml)) <= BOARDS.max_defects
        for x0, y0, x1, y1 in boxes_of(xml):  # VOC: from 1, the last pixel included
            assert 1 <= x0 < x1 <= 448
            assert 1 <= y0 < y1 <= 448


def test_every_part_of_a_mask_lies_in_one_box_and_every_box_holds_one(folder):
    for path in sorted(folder.glob("masks/*/*.png")):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (448, 448)
        assert set(np.unique(mask)) == {0, 255}
        xml = folder / "Annotations" / path.parent.name / f"{path.stem}.xml"
        found = 0
        for x0, y0, x1, y1 in boxes_of(ElementTree.parse(xml).getroot()):
            inside = np.count_nonzero(mask[y0 - 1 : y1, x0 - 1 : x1])
            assert inside > 0
            found += inside
        assert found == np.count_nonzero(mask)


def test_photographs_are_aligned_with_their_clean_board(folder):
    """Away from the mask a board differs from its clean photograph by noise and a smooth change of light only."""
    for path in sorted(folder.glob("images/*/02_*.jpg")):
        photo, clean = (cv2.imread(str(file)).astype(np.float32) for file in (path, folder / "PCB_USED/02.JPG"))
        mask = cv2.imread(str(folder / "masks" / path.parent.name / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        far = cv2.dilate(mask, np.ones((25, 25), np.uint8)) == 0
        gain = np.median(photo[far] / np.maximum(clean[far], 1), 0)
        rest = cv2.GaussianBlur(photo - gain * clean, (0, 0), 2)
        assert np.abs(rest[far]).max() < 25
        assert np.abs(rest[far]).mean() < 3


def test_a_board_without_room_is_one_clear_error(tmp_path):
    crowded = dataclasses.replace(BOARDS, designs=1, min_defects=60, max_defects=60)
    with pytest.raises(InputError, match=r"params.yaml: boards.min_defects is 60, but design 01 .* has room for \d+"):
        generate_boards(crowded, tmp_path)
