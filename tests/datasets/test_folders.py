"""The casting layout: labels by folder."""

import shutil

import pytest

from stages.datasets.folders import read_casting
from stages.runtime.errors import InputError
from tests.datasets.small_sets import read, write_casting


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
