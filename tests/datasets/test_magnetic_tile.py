"""The magnetic tile layout: classes, masks, and groups by frame number."""

import numpy as np
import pytest

from stages.datasets.magnetic_tile import read_magnetic_tile
from stages.runtime.errors import InputError
from tests.datasets.small_sets import read, write_magnetic

EMPTY = np.zeros((6, 8), np.uint8)


def test_classes_and_masks(tmp_path):
    write_magnetic(tmp_path / "wrapped", "Free", "exp1_num_5", EMPTY)
    write_magnetic(tmp_path / "wrapped", "Break", "exp1_num_900", EMPTY)
    broken, free = read(read_magnetic_tile, tmp_path)
    assert (broken.source, broken.defect_class) == ("MT_Break/Imgs/exp1_num_900.jpg", "Break")
    assert (free.defect_class, free.has_mask, free.boxes, free.label) == ("good", True, None, None)
    assert free.mask == free.path.with_suffix(".png")


def test_neighbouring_frames_share_a_group_across_classes(tmp_path):
    # 461, 524, 628 lie within 200 of the next; 828 is exactly 200 after 628; 1029 is 201 after 828
    for class_name, frame in (("Free", 461), ("Break", 524), ("Free", 628), ("Free", 828), ("Break", 1029)):
        write_magnetic(tmp_path, class_name, f"exp1_num_{frame}", EMPTY)
    write_magnetic(tmp_path, "Free", "other", EMPTY)
    groups = {image.path.stem: image.group for image in read(read_magnetic_tile, tmp_path)}
    assert groups == {
        **{f"exp1_num_{frame}": "frame-461" for frame in (461, 524, 628, 828)},
        "exp1_num_1029": "frame-1029",
        "other": "MT_Free/Imgs/other.jpg",
    }


def test_a_missing_mask_layout_or_image_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no folders MT_<Class>/Imgs/"):
        read(read_magnetic_tile, tmp_path)
    (tmp_path / "MT_Free/Imgs").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no images in MT_<Class>.*dataset\.root"):
        read(read_magnetic_tile, tmp_path)
    write_magnetic(tmp_path, "Break", "exp1_num_1", EMPTY).with_suffix(".png").unlink()
    with pytest.raises(InputError, match=r"exp1_num_1\.png: missing"):
        read(read_magnetic_tile, tmp_path)
