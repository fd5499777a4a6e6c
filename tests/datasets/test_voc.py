"""HRIPCB, NEU-DET and one's own boxes: which XML is whose in their layouts, classes, groups, parts and masks."""

import shutil

import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box
from stages.datasets.voc import read_boards, read_neu_det, read_voc
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, read, voc, write_board, write_pixels, write_text


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
    write_pixels(tmp_path / "masks/Short/03_gone.png", np.zeros((40, 60), np.uint8))
    mask = write_pixels(tmp_path / "masks/Short/01_a.png", np.zeros((40, 60), np.uint8))
    assert [(image.mask, image.has_mask) for image in read(read_boards, tmp_path)] == [(mask, True), (None, True)]
    mask.unlink()
    with pytest.raises(InputError, match=r"01_a\.png: it has boxes but no mask, although other images have masks"):
        read(read_boards, tmp_path)


def test_an_image_without_annotation_is_refused(tmp_path):
    write_board(tmp_path, "01_a")
    write_pixels(tmp_path / "images/Short/02_b.png", noise(4, 4))
    with pytest.raises(InputError, match=r"02_b\.png: no annotation 02_b\.xml.*needs XML without objects"):
        read(read_boards, tmp_path)
    assert [image.defect_class for image in read(read_boards, tmp_path, unannotated="good")] == ["good", "good"]


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


def test_neu_det_reads_all_parts_as_one_set(tmp_path):
    """As Kaggle has it: crazing_240 is a picture of train with its XML in validation."""
    for part, number in (("train", 1), ("train", 240), ("validation", 241)):
        folder = tmp_path / "NEU-DET" / part
        annotation = tmp_path / "NEU-DET" / ("validation" if number == 240 else part) / "annotations"
        write_text(annotation / f"crazing_{number}.xml", voc(20, 20, (1, 1, 9, number % 10 + 2), name="crazing"))
        write_pixels(folder / f"images/crazing/crazing_{number}.jpg", noise(20, 20))
    images = read(read_neu_det, tmp_path)
    assert [image.path.stem for image in images] == ["crazing_1", "crazing_240", "crazing_241"]
    assert [image.boxes[0].y_max for image in images] == [3, 2, 3]
    assert [image.annotation.parts[-3] for image in images] == ["train", "validation", "validation"]


def write_side_by_side(root, name, *boxes):
    write_text(root / f"{name}.xml", voc(30, 20, *boxes, name="pit"))
    return write_pixels(root / f"{name}.jpg", noise(20, 30))


@pytest.mark.parametrize("reader", [read_voc, read_boards])
def test_xml_beside_images_in_parts(tmp_path, reader):
    """Roboflow's export; augmented copies of one image are one group."""
    for part in ("train", "valid", "test"):
        for copy in ("aa", "bb"):
            write_side_by_side(tmp_path / part, f"p_jpg.rf.{copy}", (1, 1, 9, 9))
    write_text(tmp_path / "README.roboflow.txt", "")
    images = read(reader, tmp_path)
    assert [image.official for image in images] == ["test"] * 2 + ["train"] * 2 + ["val"] * 2
    assert {image.defect_class for image in images} == {"pit"}
    if reader is read_voc:
        assert [image.group for image in images] == [
            f"{part}/p_jpg.jpg" for part in ("test", "train", "valid") for _ in "ab"
        ]


@pytest.mark.parametrize(
    ("images", "annotations"),
    [("JPEGImages", "Annotations"), ("imgs", "xmls"), ("images/train", "labels/train"), ("Images", "annotations/pit")],
)
def test_other_names_of_the_two_folders(tmp_path, images, annotations):
    write_text(tmp_path / "VOC2007" / annotations / "1.XML", voc(30, 20, (1, 1, 9, 9), name="pit"))
    write_pixels(tmp_path / "VOC2007" / images / "1.JPG", noise(20, 30))
    (image,) = read(read_voc, tmp_path)
    assert (image.source, image.boxes) == (f"{images}/1.JPG", (Box(0, 0, 9, 9, "pit"),))


def test_what_says_the_kind_is_a_folder_below_the_images_and_not_above(tmp_path):
    root = tmp_path / "images" / "mine"
    write_side_by_side(root / "test", "1", (1, 1, 9, 9))
    assert read(read_boards, root)[0].defect_class == "pit"
    shutil.move(tmp_path / "images", tmp_path / "other")
    write_text(tmp_path / "b/annotations/test/2.xml", voc(30, 20, (1, 1, 9, 9), name="pit"))
    write_pixels(tmp_path / "b/images/test/hole/2.jpg", noise(20, 30))
    assert read(read_boards, tmp_path / "b")[0].defect_class == "hole"


def test_two_images_of_one_name_are_both_named(tmp_path):
    write_board(tmp_path, "01_a", (1, 1, 10, 10))
    write_pixels(tmp_path / "images/Short/01_a.jpg", noise(40, 60))
    with pytest.raises(InputError, match=r"01_a\.jpg: 01_a\.png beside it has the same name but for its suffix"):
        read(read_boards, tmp_path)


def test_images_of_one_name_in_two_folders_keep_their_own_xml(tmp_path):
    for folder, box in (("Short", (1, 1, 9, 9)), ("Spur", (2, 2, 8, 8))):
        write_text(tmp_path / f"Annotations/{folder}/01.xml", voc(30, 20, box, name=folder))
        write_pixels(tmp_path / f"images/{folder}/01.jpg", noise(20, 30))
    assert [image.boxes[0].x_max for image in read(read_boards, tmp_path)] == [9, 8]
    (tmp_path / "Annotations/Spur/01.xml").unlink()
    with pytest.raises(InputError, match=r"Spur/01\.jpg: no annotation 01\.xml"):
        read(read_boards, tmp_path)
    shutil.move(tmp_path / "Annotations/Short/01.xml", tmp_path / "Annotations/01.xml")
    with pytest.raises(InputError, match=r"01\.xml could belong to it or to .*01\.jpg; put it beside one"):
        read(read_boards, tmp_path)


def test_polygons_that_are_not_read_are_remarked(tmp_path):
    write_board(tmp_path, "01_a", (1, 1, 10, 10))
    xml = tmp_path / "Annotations/Short/01_a.xml"
    xml.write_text(xml.read_text().replace("</bndbox>", "</bndbox><polygon><x1>1</x1></polygon>"))
    bad = BadFiles()
    read(read_boards, tmp_path, bad)
    assert bad.remarks == ["1 annotations have <polygon> entries, which are not read; their boxes are"]


def test_all_folders_of_annotations_are_looked_through(tmp_path):
    write_board(tmp_path, "01_a", (1, 1, 10, 10))
    (tmp_path / "Annotations").rename(tmp_path / "xml")
    write_text(tmp_path / "json/01_a.json", "{}")
    assert len(read(read_boards, tmp_path)[0].boxes) == 1


def test_a_picture_that_is_called_like_a_mask_and_annotated_is_a_picture(tmp_path):
    write_side_by_side(tmp_path, "1", (1, 1, 9, 9))
    write_side_by_side(tmp_path, "1_label", (1, 1, 9, 9))
    write_pixels(tmp_path / "1_mask.png", np.zeros((20, 30), np.uint8))
    write_pixels(tmp_path / "1_label_mask.png", np.zeros((20, 30), np.uint8))
    assert [(image.source, image.mask.name) for image in read(read_voc, tmp_path)] == [
        ("1.jpg", "1_mask.png"),
        ("1_label.jpg", "1_label_mask.png"),
    ]
