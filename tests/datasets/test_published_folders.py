"""Published data sets that label by folder, in their layouts: casting, MVTec AD, VisA."""

import shutil

import numpy as np
import pytest

from stages.datasets.labelled_folders import read_casting, read_folder, read_without_parts
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, read, write_casting, write_pixels


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
    with pytest.raises(InputError, match="no folders def_front/ and ok_front/, directly or in train/ and test/"):
        read(read_casting, tmp_path)
    (tmp_path / "test" / "ok_front").mkdir()
    with pytest.raises(InputError, match=r"ok_front: no images"):
        read(read_casting, tmp_path)


def test_the_publishers_parts_are_kept(tmp_path):
    write_casting(tmp_path, per_folder=1)
    assert [image.official for image in read(read_casting, tmp_path)] == ["test", "test", "train", "train"]


def write_mvtec(root):
    """Write one category as published: train has good images alone, masks count anew in every kind."""
    for number, part in enumerate(("train", "test")):
        write_pixels(root / part / "good/000.png", noise(20, 30, number))
    for number, kind in enumerate(("broken", "contamination")):
        write_pixels(root / f"test/{kind}/000.png", noise(20, 30, number + 2))
        write_pixels(root / f"ground_truth/{kind}/000_mask.png", np.full((20, 30), 255, np.uint8))


@pytest.mark.parametrize("reader", [read_folder, read_without_parts])
def test_mvtec_as_published(tmp_path, reader):
    write_mvtec(tmp_path / "mvtec/bottle")
    images = read(reader, tmp_path / "mvtec")
    assert [(image.source, image.defect_class, image.official) for image in images] == [
        ("test/broken/000.png", "broken", None),
        ("test/contamination/000.png", "contamination", None),
        ("test/good/000.png", "good", None),
        ("train/good/000.png", "good", None),
    ]
    assert [image.mask and image.mask.parent.name for image in images] == ["broken", "contamination", None, None]
    write_mvtec(tmp_path / "mvtec/cable")
    with pytest.raises(InputError, match=r"2 folders have .*\(bottle, cable\); set dataset\.root to one of them"):
        read(reader, tmp_path / "mvtec")


def test_visa_as_published(tmp_path):
    data = tmp_path / "candle/Data"
    write_pixels(data / "Images/Normal/0000.jpg", noise(20, 30)).rename(data / "Images/Normal/0000.JPG")
    write_pixels(data / "Images/Anomaly/000.jpg", noise(20, 30)).rename(data / "Images/Anomaly/000.JPG")
    mask = write_pixels(data / "Masks/Anomaly/000.png", np.ones((20, 30), np.uint8))
    images = read(read_without_parts, tmp_path / "candle")
    assert [(image.source, image.defect_class, image.mask) for image in images] == [
        ("Images/Anomaly/000.JPG", "defect", mask),
        ("Images/Normal/0000.JPG", "good", None),
    ]


def test_casting_at_512_px_is_read_where_there_is_nothing_else(tmp_path):
    for label in ("def_front", "ok_front"):
        write_pixels(tmp_path / f"casting_512x512/casting_512x512/{label}/1.jpeg", noise(20, 20))
    assert [image.official for image in read(read_casting, tmp_path)] == [None, None]
    write_casting(tmp_path / "casting_data/casting_data", per_folder=1)
    assert [image.official for image in read(read_casting, tmp_path)] == ["test", "test", "train", "train"]
