"""Labels by folder: the casting layout, and a folder of one's own with every kind of truth beside it."""

import shutil

import numpy as np
import pytest

from stages.datasets.folders import read_casting, read_folder
from stages.datasets.images import Box
from stages.runtime.errors import InputError
from tests.datasets.small_sets import labelme, noise, read, voc, write_casting, write_pixels, write_text


def test_labels_come_from_folders(tmp_path):
    write_casting(tmp_path / "casting_data" / "casting_data", per_folder=1)
    images = read(read_casting, tmp_path)
    assert [(image.source, image.label, image.defect_class) for image in images] == [
        ("test/def_front/def_front_0.jpeg", "defective", "casting_defect"),
        ("test/ok_front/ok_front_0.jpeg", "good", "good"),
        ("train/def_front/def_front_0.jpeg", "defective", "casting_defect"),
        ("train/ok_front/ok_front_0.jpeg", "good", "good"),
    ]
    assert all(image.boxes is None and not image.has_mask and image.group == image.source for image in images)


def test_a_folder_without_images_is_refused(tmp_path):
    write_casting(tmp_path)
    shutil.rmtree(tmp_path / "test" / "ok_front")
    with pytest.raises(InputError, match="no folders train/ and test/"):
        read(read_casting, tmp_path)
    (tmp_path / "test" / "ok_front").mkdir()
    with pytest.raises(InputError, match=r"ok_front: no images"):
        read(read_casting, tmp_path)


def test_the_publishers_parts_are_kept(tmp_path):
    write_casting(tmp_path, per_folder=1)
    assert [image.official for image in read(read_casting, tmp_path)] == ["test", "test", "train", "train"]


def write_own(root, good=("g1",), defective=("scratch/d1", "d2")):
    for seed, name in enumerate([f"good/{stem}" for stem in good] + [f"defective/{stem}" for stem in defective]):
        write_pixels(root / f"{name}.png", noise(20, 30, seed))
    return root


def test_ones_own_folder_with_labels_alone(tmp_path):
    write_own(tmp_path / "inside")
    images = read(read_folder, tmp_path)
    assert [(image.source, image.label, image.defect_class) for image in images] == [
        ("defective/d2.png", "defective", "defect"),
        ("defective/scratch/d1.png", "defective", "scratch"),
        ("good/g1.png", "good", "good"),
    ]
    assert all(image.group == image.source and image.official is None and not image.has_mask for image in images)


@pytest.mark.parametrize("place", ["masks/defective", "masks"])
def test_masks_by_place(tmp_path, place):
    write_own(tmp_path)
    masks = [
        write_pixels(tmp_path / place / f"{name}.png", np.zeros((20, 30), np.uint8)) for name in ("d2", "scratch/d1")
    ]
    images = read(read_folder, tmp_path)
    assert [image.mask for image in images] == [*masks, None]
    assert all(image.has_mask and image.label is None and image.boxes is None for image in images)
    masks[1].unlink()
    with pytest.raises(InputError, match=r"masks/scratch/d1\.png: missing; every image in defective/ needs its mask"):
        read(read_folder, tmp_path)


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


CONTRADICTIONS = {
    "without annotation": (without_annotation, r"scratch/d1\.xml: missing, although others"),
    "both kinds": (both_kinds, "defective: annotated by XML and by JSON; keep one"),
    "nothing marked": (nothing_marked, r"d1\.xml: marks no defect, but its image lies in defective/"),
    "good but marked": (good_but_marked, r"g1\.xml: marks defects, but its image lies in good/"),
    "called good": (called_good, "its folder's name is 'good', which cannot be a kind of defect"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_refused(tmp_path, case):
    write, message = CONTRADICTIONS[case]
    write(write_own(tmp_path))
    with pytest.raises(InputError, match=message):
        read(read_folder, tmp_path)


def test_no_good_and_defective_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folders good/ and defective/"):
        read(read_folder, tmp_path)
