"""DeepPCB: exact boxes, each image with its template, groups by folder, and what is refused."""

import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.deeppcb import read_deeppcb
from stages.datasets.images import Box
from stages.datasets.unused import find_unused
from stages.runtime.errors import InputError
from stages.tiling.cutting import cut_image
from tests.datasets.small_sets import TILE, read, write_pair, write_pixels, write_text


def test_boxes_kinds_groups_and_templates(tmp_path):
    root = tmp_path / "DeepPCB/PCBData"
    path = write_pair(root, "group44000", "44000011", "2 3 9 12 1", "30 20 50 40 6")
    write_pair(root, "group44000", "44000012", "1,2,5,6,2".replace(",", " "))
    write_pair(root, "group90100", "90100001")
    mixed, short, good = read(read_deeppcb, tmp_path)
    assert mixed.source == "group44000/44000/44000011_test.png"
    assert [image.group for image in (mixed, short, good)] == ["group44000", "group44000", "group90100"]
    assert mixed.boxes == (Box(2, 3, 9, 12, "open"), Box(30, 20, 50, 40, "pin_hole"))
    assert [image.defect_class for image in (mixed, short, good)] == ["", "short", "good"]
    assert (mixed.template, mixed.path) == (path.with_name("44000011_temp.png"), path)
    assert (mixed.has_mask, mixed.official, good.boxes) == (False, None, ())
    classes = {(line["x"], line["y"]): line["defect_class"] for line in cut_image(mixed, TILE).lines}
    assert (classes[0, 0], classes[32, 16], classes[16, 0]) == ("open", "pin_hole", "good")


def test_numbers_may_be_divided_by_commas(tmp_path):
    path = write_pair(tmp_path, "group1", "1", "2 3 9 12 4")
    write_text(path.parents[1] / "1_not/1.txt", "2,3,9,12,4\r\n\n")
    (image,) = read(read_deeppcb, tmp_path)
    assert image.boxes == (Box(2, 3, 9, 12, "spur"),)


def test_a_template_without_its_image_is_not_used_and_counted(tmp_path):
    write_pair(tmp_path, "group1", "1")
    write_pair(tmp_path, "group1", "2").unlink()
    images = read(read_deeppcb, tmp_path)
    unused = find_unused(tmp_path, images, [], None, ())
    assert [image.path.name for image in images] == ["1_test.png"]
    assert unused["pictures outside of what is read"] == ["group1/1/2_temp.png"]
    assert "group1/1_not/2.txt" in unused["neither pictures nor annotations"]


def test_the_published_image_with_boxes_drawn_into_it_is_left_out_and_a_clean_copy_used(tmp_path, capsys):
    write_pair(tmp_path, "group44000", "44000019")
    path = write_pair(tmp_path, "group44000", "44000020")
    drawn = path.with_suffix(".jpg")
    path.rename(drawn)
    drawn.with_name("44000020_temp.png").rename(drawn.with_name("44000020_temp.jpg"))
    assert len(read(read_deeppcb, tmp_path)) == 2
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[5:8, 5:30] = (0, 255, 0)
    write_pixels(drawn, pixels)
    bad = BadFiles()
    (image,) = read(read_deeppcb, tmp_path, bad)
    assert image.path.name == "44000019_test.png"
    assert bad.skipped == [
        {
            "file": "group44000/44000/44000020_test.jpg",
            "reason": "boxes and names are drawn into its pixels as published",
        }
    ]
    assert "left out 1 images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 2 3 4", r"line 2: '1 2 3 4'; expected five whole numbers"),
        ("1 2 3 4.5 1", r"expected five whole numbers"),
        ("1 2 3 nan 1", r"expected five whole numbers"),
        ("1 2 8 9 7", r"line 2: type 7 is not known \(1 open, 2 short"),
        ("1 2 8 9 0", r"type 0 is not known"),
        ("8 2 8 9 1", r"line 2: a box of 0 x 7 px"),
        ("1 2 70 9 1", r"corner 70, 9 is outside the image of 60x40 px"),
        ("-5 2 7 9 1", r"corner -5, 2 is outside the image"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, words):
    path = write_pair(tmp_path, "group1", "1")
    write_text(path.parents[1] / "1_not/1.txt", f"1 1 5 5 1\n{line}\n")
    with pytest.raises(InputError, match=words):
        read(read_deeppcb, tmp_path)


def test_missing_files_are_named_and_parameters_let_them_pass(tmp_path):
    path = write_pair(tmp_path, "group1", "1")
    write_pair(tmp_path, "group1", "2", "2 2 9 9 1")
    (path.parents[1] / "1_not/1.txt").unlink()
    with pytest.raises(InputError, match=r"1_not/1\.txt: missing, so nothing says that 1_test\.png is good"):
        read(read_deeppcb, tmp_path)
    assert [image.defect_class for image in read(read_deeppcb, tmp_path, unannotated="good")] == ["good", "open"]
    path.with_name("1_temp.png").unlink()
    with pytest.raises(InputError, match=r"1_temp\.png: missing; add it, or set dataset\.derive_masks to false"):
        read(read_deeppcb, tmp_path, unannotated="good")
    images = read(read_deeppcb, tmp_path, unannotated="good", derive_masks=False)
    assert [image.template is None for image in images] == [True, False]


def test_a_picture_that_is_neither_image_nor_template_is_refused(tmp_path):
    write_pixels(write_pair(tmp_path, "group1", "1").with_name("1.png"), np.zeros((40, 60), np.uint8))
    with pytest.raises(InputError, match=r"group1/1/1\.png: called neither \*_test nor \*_temp; rename or remove it"):
        read(read_deeppcb, tmp_path)


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no folders group\*/<number>/"):
        read(read_deeppcb, tmp_path)
    path = write_pair(tmp_path, "group1", "1")
    path.unlink()
    with pytest.raises(InputError, match=r"no images \*_test\.jpg"):
        read(read_deeppcb, tmp_path)
