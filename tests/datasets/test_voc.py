"""VOC XML: boxes by hand, the layouts of HRIPCB and NEU-DET, and one clear error for every broken annotation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.datasets.images import Box
from stages.datasets.voc import Annotation, count_unused, read_annotation, read_boards, read_neu_det
from stages.runtime.errors import InputError
from tests.datasets.small_sets import NAMES, noise, read, voc, write_board, write_pixels, write_text


def test_one_based_inclusive_becomes_half_open(tmp_path):
    path = write_text(tmp_path / "a.xml", voc(60, 40, (1, 2, 60, 40), (11, 21, 12, 23)))
    assert read_annotation(path) == Annotation(40, 60, (Box(0, 1, 60, 40, "short"), Box(10, 20, 12, 23, "short")))


def test_a_zero_minimum_counts_as_the_first_pixel(tmp_path):
    path = write_text(tmp_path / "a.xml", voc(60, 40, (0, 0, 5, 6)))
    assert read_annotation(path).boxes == (Box(0, 0, 5, 6, "short"),)


@given(st.tuples(*[st.integers(-3, 13)] * 4))
def test_a_box_is_inside_or_refused(tmp_path_factory, corners):
    path = write_text(tmp_path_factory.mktemp("voc") / "a.xml", voc(10, 8, corners))
    x_min, y_min, x_max, y_max = corners
    if 0 <= x_min < x_max <= 10 and 0 <= y_min < y_max <= 8:
        (box,) = read_annotation(path).boxes
        assert 0 <= box.x_min < box.x_max <= 10
        assert 0 <= box.y_min < box.y_max <= 8
        assert (box.x_max - box.x_min) * (box.y_max - box.y_min) >= (x_max - x_min) * (y_max - y_min)
    else:
        with pytest.raises(InputError, match=r"a\.xml: object 1"):
            read_annotation(path)


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><annotation><x>&c;</x></annotation>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotation><x>&b;</x></annotation>'
WRONG = {
    "empty": ("", "not readable as XML"),
    "cut": (voc(60, 40, (1, 1, 5, 5))[:-30], "not readable as XML"),
    "binary": ("\x00\x01", "not readable as XML"),
    "encoding": ('<?xml version="1.0" encoding="no-such"?><annotation/>', "not readable as XML"),
    "bomb": (BOMB, "declares entities"),
    "external": (EXTERNAL, "declares entities"),
    "no size": ("<annotation></annotation>", "the image: <size/width> is missing"),
    "zero size": (voc(0, 40), "<size> says 0x40 px"),
    "word": (voc(60, 40).replace("60", "wide"), "<size/width> is 'wide', not a number"),
    "min above max": (voc(60, 40, (1, 1, 5, 5), (9, 1, 5, 5)), r"object 2: box x 9\.\.5.*min must be less than max"),
    "flat": (voc(60, 40, (1, 7, 5, 7)), r"object 1: .*y 7\.\.7: min must be less than max"),
    "outside": (voc(60, 40, (1, 1, 61, 5)), "object 1: .*is outside the image of 60x40 px"),
    "below": (voc(60, 40, (1, 1, 6, 41)), "is outside the image"),
    "negative": (voc(60, 40, (-1, 1, 6, 5)), "is outside the image"),
    "nan": (voc(60, 40, ("nan", 1, 6, 5)), "object 1: <bndbox/xmin> is 'nan', not a number"),
    "huge": (voc(60, 40, ("1e999", 1, 6, 5)), "<bndbox/xmin> is '1e999', not a number"),
    "no box": ("<annotation><size><width>6</width><height>4</height></size><object/></annotation>", "xmin> is missing"),
    "no name": (voc(60, 40, (1, 1, 6, 5), name=""), "object 1: <name> is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_annotation_is_refused(tmp_path, case):
    content, message = WRONG[case]
    path = write_text(tmp_path / "wrong.xml", content)
    with pytest.raises(InputError, match=rf"wrong\.xml: .*{message}") as raised:
        read_annotation(path)
    assert "\n" not in str(raised.value)


def test_every_corner_is_required(tmp_path):
    for key in NAMES:
        text = voc(60, 40, (1, 1, 5, 5)).replace(f"<{key}>", "<other>").replace(f"</{key}>", "</other>")
        with pytest.raises(InputError, match=f"object 1: <bndbox/{key}> is missing"):
            read_annotation(write_text(tmp_path / "a.xml", text))


@pytest.mark.parametrize("wrapped", ["", "PCB_DATASET", "archive/PCB_DATASET"])
def test_boards_are_found_at_the_root_or_below(tmp_path, wrapped):
    write_board(tmp_path / wrapped, "04_short_02", (1, 1, 10, 10))
    write_board(tmp_path / wrapped, "01_short_01")
    good, defective = read(read_boards, tmp_path)
    assert (good.source, good.group, good.defect_class) == ("images/Short/01_short_01.png", "01", "good")
    assert (defective.source, defective.group, defective.defect_class) == (
        "images/Short/04_short_02.png",
        "04",
        "Short",
    )
    assert defective.boxes == (Box(0, 0, 10, 10, "short"),)
    assert (defective.annotated_shape, defective.has_mask, defective.label) == ((40, 60), False, None)


def test_a_name_without_number_is_its_own_group(tmp_path):
    write_board(tmp_path, "line_a")
    assert [image.group for image in read(read_boards, tmp_path)] == ["line_a"]


def test_masks_beside_boxes(tmp_path):
    write_board(tmp_path, "01_a", (1, 1, 10, 10))
    write_board(tmp_path, "02_good")
    mask = write_pixels(tmp_path / "masks/Short/01_a.png", np.zeros((40, 60), np.uint8))
    assert [(image.mask, image.has_mask) for image in read(read_boards, tmp_path)] == [(mask, True), (None, True)]
    mask.unlink()
    with pytest.raises(InputError, match=r"01_a\.png: missing, although the image has boxes"):
        read(read_boards, tmp_path)


def test_annotations_without_image_are_counted(tmp_path):
    write_board(tmp_path, "01_a", (1, 1, 10, 10))
    assert count_unused(tmp_path) == 0
    write_text(tmp_path / "Annotations/Short/07_gone.xml", voc(60, 40))
    assert len(read(read_boards, tmp_path)) == 1
    assert count_unused(tmp_path) == 1


def test_an_image_without_annotation_is_refused(tmp_path):
    write_board(tmp_path, "01_a")
    write_pixels(tmp_path / "images/Short/02_b.png", noise(4, 4))
    with pytest.raises(InputError, match=r"02_b\.png: no annotation Short/02_b\.xml"):
        read(read_boards, tmp_path)


def test_missing_root_layout_and_images_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: is not there; set dataset\.root to a folder that has .*VOC XML"):
        read(read_boards, tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no folders images/ and Annotations/.*set dataset\.root"):
        read(read_boards, tmp_path)
    file = write_text(tmp_path / "file", "")
    with pytest.raises(InputError, match="is not a folder"):
        read(read_boards, file)
    for name in ("images", "Annotations"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"images: no images"):
        read(read_boards, tmp_path)


def test_two_board_folders_are_not_guessed_between(tmp_path):
    for name in ("first", "second"):
        write_board(tmp_path / name, "01_a")
    with pytest.raises(InputError, match=r"2 folders have .*\(first, second\); set dataset\.root to one"):
        read(read_boards, tmp_path)


def write_neu(root, stem, names):
    objects = "".join(voc(20, 20, (1, 1, 9, 9), name=name).partition("</size>")[2] for name in names)
    objects = objects.replace("</annotation>", "") + "</annotation>"
    write_text(root / "ANNOTATIONS" / f"{stem}.xml", voc(20, 20).replace("</annotation>", objects))
    write_pixels(root / "IMAGES" / f"{stem}.jpg", noise(20, 20))


def test_neu_det_classes_come_from_names_and_else_from_boxes(tmp_path):
    write_neu(tmp_path, "rolled-in_scale_1", ["rolled-in_scale", "rolled-in_scale"])
    write_neu(tmp_path, "rolled-in_scale_2", ["inclusion"])
    write_neu(tmp_path, "steel", ["inclusion"])
    write_neu(tmp_path, "strip", ["inclusion", "patches"])
    write_neu(tmp_path, "patches_3", [])
    images = read(read_neu_det, tmp_path)
    classes = {image.path.stem: image.defect_class for image in images}
    assert classes == {
        "patches_3": "good",
        "rolled-in_scale_1": "rolled-in_scale",
        "rolled-in_scale_2": "rolled-in_scale",
        "steel": "inclusion",
        "strip": "",
    }
    assert [image.group for image in images] == [image.source for image in images]
    assert images[1].source == "IMAGES/rolled-in_scale_1.jpg" and images[2].boxes[0].name == "inclusion"


def test_neu_det_in_two_parts_with_class_folders(tmp_path):
    for part, number in (("train", 1), ("validation", 2)):
        folder = tmp_path / "NEU-DET" / part
        write_text(folder / f"annotations/patches_{number}.xml", voc(20, 20, (1, 1, 9, 9), name="patches"))
        write_pixels(folder / f"images/patches/patches_{number}.jpg", noise(20, 20))
    sources = [image.source for image in read(read_neu_det, tmp_path)]
    assert sources == ["NEU-DET/train/images/patches/patches_1.jpg", "NEU-DET/validation/images/patches/patches_2.jpg"]
    assert count_unused(tmp_path) == 0
