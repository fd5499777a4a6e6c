"""A folder of one's own: what names of folders mean, parts, and truth beside the images."""

import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box
from stages.datasets.labelled_folders import read_folder
from stages.runtime.errors import InputError
from tests.datasets.small_sets import labelme, noise, read, voc, write_own, write_pixels, write_text


def test_ones_own_folder_with_labels_alone(tmp_path):
    write_own(tmp_path / "inside")
    images = read(read_folder, tmp_path)
    assert [(image.source, image.label, image.defect_class) for image in images] == [
        ("defective/d2.png", "defective", "defect"),
        ("defective/scratch/d1.png", "defective", "scratch"),
        ("good/g1.png", "good", "good"),
    ]
    assert all(image.group == image.source and image.official is None and not image.has_mask for image in images)


def test_boxes_beside_images(tmp_path):
    write_own(tmp_path)
    for name in ("scratch/d1", "d2"):
        write_text(tmp_path / f"defective/{name}.xml", voc(30, 20, (1, 1, 9, 9), name="dent"))
    images = read(read_folder, tmp_path)
    assert [image.defect_class for image in images] == ["dent", "scratch", "good"]
    assert [image.boxes for image in images] == [(Box(0, 0, 9, 9, "dent"),)] * 2 + [()]
    assert all(image.label is None and not image.has_mask for image in images)


def test_polygons_beside_images_and_masks_that_come_first(tmp_path):
    write_own(tmp_path)
    for name in ("scratch/d1", "d2"):
        shape = ("dent", "polygon", [[1, 1], [9, 1], [9, 9]])
        write_text(tmp_path / f"defective/{name}.json", labelme(20, 30, shape))
    images = read(read_folder, tmp_path)
    assert [len(image.polygons) for image in images] == [1, 1, 0]
    assert all(image.has_mask and image.mask is None for image in images)
    for name in ("d2", "scratch/d1"):
        write_pixels(tmp_path / f"masks/{name}.png", np.zeros((20, 30), np.uint8))
    masked = read(read_folder, tmp_path)
    assert [len(image.polygons) for image in masked] == [0, 0, 0]
    assert [image.boxes for image in masked] == [image.boxes for image in images]


def test_train_and_test_are_the_publishers_parts(tmp_path):
    for part in ("train", "test"):
        write_own(tmp_path / part)
    images = read(read_folder, tmp_path)
    assert [(image.source.split("/")[0], image.official) for image in images] == [
        *[("test", "test")] * 3,
        *[("train", "train")] * 3,
    ]
    (tmp_path / "test").rename(tmp_path / "other")
    with pytest.raises(InputError, match=r"2 folders have .*\(other, train\); set dataset\.root to one"):
        read(read_folder, tmp_path)


def test_groups_by_a_pattern_of_names(tmp_path):
    write_own(tmp_path, good=("part7_1", "part7_2", "part8_1"), defective=("part9_1",))
    images = read(read_folder, tmp_path, group_pattern=r"(part\d+)_")
    assert [image.group for image in images] == ["part9", "part7", "part7", "part8"]


def without_annotation(root):
    write_text(root / "defective/d2.xml", voc(30, 20, (1, 1, 9, 9)))


def both_kinds(root):
    without_annotation(root)
    write_text(root / "defective/scratch/d1.json", labelme(20, 30))


def nothing_marked(root):
    without_annotation(root)
    write_text(root / "defective/scratch/d1.xml", voc(30, 20))


def good_but_marked(root):
    nothing_marked(root)
    write_text(root / "defective/scratch/d1.xml", voc(30, 20, (1, 1, 9, 9)))
    write_text(root / "good/g1.xml", voc(30, 20, (1, 1, 9, 9)))


def called_good(root):
    (root / "defective/scratch").rename(root / "defective/good")


def twins(root):
    write_pixels(root / "defective/d2.jpg", noise(20, 30))


def write_masks(root, *names):
    for name in names:
        write_pixels(root / f"{name}.png", np.zeros((20, 30), np.uint8))


def one_mask_for_two(root):
    write_pixels(root / "defective/dent/d1.png", noise(20, 30))
    write_masks(root, "masks/d1", "masks/d2")


def two_masks_for_one(root):
    write_masks(root, "masks/scratch/d1", "masks/d2", "masks/d2_mask")


CONTRADICTIONS = {
    "without annotation": (without_annotation, r"scratch/d1\.xml: missing, although others"),
    "both kinds": (both_kinds, "defective: annotated by XML and by JSON; keep one"),
    "nothing marked": (nothing_marked, r"d1\.xml: marks no defect, but its image lies in defective/"),
    "good but marked": (good_but_marked, r"g1\.xml: marks defects, but its image lies in good/"),
    "called good": (called_good, "its folder's name is 'good', which cannot be a kind of defect"),
    "two of one name": (twins, r"d2\.jpg: d2\.png beside it has the same name but for its suffix"),
    "one mask for two": (one_mask_for_two, r"d1\.png could belong to it or to .*d1\.png; put it beside one"),
    "two masks for one": (two_masks_for_one, r"d2\.png: 2 files could belong to it \(.*d2\.png, .*d2_mask\.png\)"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_refused(tmp_path, case):
    write, message = CONTRADICTIONS[case]
    write(write_own(tmp_path))
    with pytest.raises(InputError, match=message):
        read(read_folder, tmp_path)


@pytest.mark.parametrize(
    ("good", "defective", "kind"),
    [
        ("ok", "nok", "defect"),
        ("Good", "BAD", "defect"),
        ("Normal", "Anomaly", "defect"),
        ("Negative", "Positive", "defect"),
        ("good", "scratch", "scratch"),
    ],
)
def test_names_that_mean_good_and_defective(tmp_path, good, defective, kind):
    write_pixels(tmp_path / good / "1.png", noise(20, 30))
    write_pixels(tmp_path / defective / "2.png", noise(20, 30, 1))
    bad = BadFiles()
    found = {image.source: (image.label, image.defect_class) for image in read(read_folder, tmp_path, bad)}
    assert found == {f"{good}/1.png": ("good", "good"), f"{defective}/2.png": ("defective", kind)}
    assert bad.remarks == [f"good: {good}/; defective: {defective}/"]


def test_names_that_mean_good_are_the_users(tmp_path):
    for name in ("gut", "schlecht"):
        write_pixels(tmp_path / name / f"{name}.png", noise(20, 30))
    images = read(read_folder, tmp_path, good_names=("Gut",))
    assert [(image.label, image.defect_class) for image in images] == [("good", "good"), ("defective", "schlecht")]


def test_a_folder_beside_good_and_defective_is_no_kind_of_defect(tmp_path):
    write_own(tmp_path)
    write_pixels(tmp_path / "unsure/u.png", noise(20, 30))
    assert {image.source.split("/")[0] for image in read(read_folder, tmp_path)} == {"good", "defective"}


def test_a_kind_is_a_good_one_only_by_its_whole_name(tmp_path):
    write_own(tmp_path)
    (tmp_path / "defective/scratch").rename(tmp_path / "defective/not_good")
    assert read(read_folder, tmp_path)[1].defect_class == "not_good"


def test_class_folders_without_a_good_one_are_kinds(tmp_path):
    """NEU-CLS; enough for task: multiclass."""
    for part in ("train", "valid", "test"):
        for kind in ("Crazing", "Patches"):
            write_pixels(tmp_path / "data" / part / kind / f"{kind}_{part}.bmp", noise(20, 20))
    bad = BadFiles()
    images = read(read_folder, tmp_path, bad)
    assert [(image.official, image.defect_class) for image in images] == [
        *[("test", "Crazing"), ("test", "Patches"), ("train", "Crazing"), ("train", "Patches")],
        *[("val", "Crazing"), ("val", "Patches")],
    ]
    assert bad.remarks == ["no folder means good (dataset.good_names); defective: Crazing/, Patches/"]


def test_parts_in_any_case_and_by_other_names(tmp_path):
    for part in ("Train", "Validation", "TEST"):
        write_own(tmp_path / part)
    parts = {image.source.split("/")[0]: image.official for image in read(read_folder, tmp_path)}
    assert parts == {"Train": "train", "Validation": "val", "TEST": "test"}


def test_parts_without_defective_training_images_do_not_count(tmp_path):
    write_own(tmp_path / "test")
    write_pixels(tmp_path / "train/good/g.png", noise(20, 30))
    bad = BadFiles()
    images = read(read_folder, tmp_path, bad)
    assert {image.official for image in images} == {None} and len(images) == 4
    assert "the publisher's parts do not count, since train has not both" in bad.remarks[0]


def test_a_folder_of_links_is_read(tmp_path):
    write_own(tmp_path / "store")
    (tmp_path / "set").mkdir()
    for name in ("good", "defective"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "store" / name)
    assert len(read(read_folder, tmp_path / "set")) == 3


def test_a_picture_of_another_format_is_found_to_be_refused(tmp_path):
    write_own(tmp_path)
    write_text(tmp_path / "defective/photo.heic", "")
    assert "defective/photo.heic" in [image.source for image in read(read_folder, tmp_path)]


def test_no_good_and_defective_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folders good/ and defective/"):
        read(read_folder, tmp_path)


def test_folders_of_images_and_parts_are_no_kinds(tmp_path):
    for name in ("good/train/1", "good/test/1", "bad/train/images/2", "bad/test/images/2", "bad/test/pit/3"):
        write_pixels(tmp_path / f"{name}.png", noise(20, 30))
    assert [(image.source, image.defect_class, image.official) for image in read(read_folder, tmp_path)] == [
        ("bad/test/images/2.png", "defect", "test"),
        ("bad/test/pit/3.png", "pit", "test"),
        ("bad/train/images/2.png", "defect", "train"),
        ("good/test/1.png", "good", "test"),
        ("good/train/1.png", "good", "train"),
    ]


def test_a_name_is_one_kind_however_its_accents_are_written(tmp_path):
    for name in ("good/1", "ray\u00e9/2", "raye\u0301/3"):
        write_pixels(tmp_path / f"{name}.png", noise(20, 30))
    assert {image.defect_class for image in read(read_folder, tmp_path)} == {"good", "ray\u00e9"}
