"""NEU-Seg: kinds by the values of masks, and photographs that are there several times are one group."""

import numpy as np
import pytest

from stages.datasets.neu_seg import read_neu_seg
from stages.datasets.truths import read_annotated
from stages.runtime.errors import InputError
from stages.tiling.cutting import cut_image
from tests.datasets.small_sets import TILE, read, write_pixels
from tests.datasets.test_lookalikes import again, photograph


def write(root, name, pixels, values=None):
    values = np.ones(pixels.shape[:2], np.uint8) if values is None else values
    write_pixels(root / f"annotations/{name}.png", values)
    return write_pixels(root / f"images/{name}.png", pixels)


def test_copies_of_a_photograph_are_one_group_across_parts(tmp_path):
    root, first, second = tmp_path / "wrapped", photograph(0, 200, 200), photograph(1, 200, 200)
    write(root, "test/000001", again(np.rot90(second, 1).copy()))
    write(root, "training/000201", first)
    write(root, "training/000202", again(second))
    write(root, "training/000203", again(first[:, ::-1].copy()))
    write(root, "test/000002", photograph(2, 200, 200))
    images = read(read_neu_seg, tmp_path)
    assert [(image.source, image.group, image.official) for image in images] == [
        ("images/test/000001.png", "images/test/000001.png", "test"),
        ("images/test/000002.png", "images/test/000002.png", "test"),
        ("images/training/000201.png", "images/training/000201.png", "train"),
        ("images/training/000202.png", "images/test/000001.png", "train"),
        ("images/training/000203.png", "images/training/000201.png", "train"),
    ]
    assert all(image.boxes is None and image.label is None and image.has_mask for image in images)


def test_a_photograph_with_something_pasted_into_one_half_is_still_that_photograph(tmp_path):
    first, second = photograph(0, 200, 200), photograph(1, 200, 200)
    pasted = first.copy()
    pasted[20:160, 120:190] = 255
    write(tmp_path, "training/1", first)
    write(tmp_path, "training/2", again(np.rot90(pasted, 3).copy()))
    write(tmp_path, "training/3", second)
    groups = [image.group for image in read(read_neu_seg, tmp_path)]
    assert groups == ["images/training/1.png", "images/training/1.png", "images/training/3.png"]


def test_values_of_the_mask_are_kinds_and_a_tile_has_the_one_that_fills_most_of_it(tmp_path):
    values = np.zeros((40, 40), np.uint8)
    values[0:6, 0:6] = 1
    values[10:20, 0:8] = 3
    values[30:34, 30:34] = 2
    write(tmp_path, "training/1", photograph(0, 40, 40), values)
    (image,) = read(read_neu_seg, tmp_path)
    seen = read_annotated(image)
    assert list(seen.kinds) == ["inclusion", "patches", "scratches"]
    for number, kind in enumerate(seen.kinds, 1):
        assert np.array_equal(seen.kinds[kind], values == number)
    assert np.array_equal(seen.truths["exact"], values > 0) and list(seen.truths) == ["exact"]
    assert seen.notes == ()
    lines = cut_image(image, TILE).lines  # 20 px, 16 px apart
    classes = {(line["x"], line["y"]): line["defect_class"] for line in lines}
    assert classes == {(0, 0): "scratches", (16, 0): "good", (0, 16): "scratches", (16, 16): "patches"}
    assert {(line["x"], line["y"]): line["defect_px"] for line in lines}[0, 0] == 36 + 80


def test_what_is_wrong_with_a_mask_is_said(tmp_path):
    path = write(tmp_path, "training/1", photograph(0), np.full((60, 60), 4, np.uint8))
    (image,) = read(read_neu_seg, tmp_path)
    words = (
        r"training/1\.png: the mask has the value 4, which stands for nothing \(1 inclusion, 2 patches, 3 scratches\)"
    )
    with pytest.raises(InputError, match=words):
        read_annotated(image)
    write(tmp_path, "training/1", photograph(0), np.ones((60, 60, 3), np.uint8))
    with pytest.raises(InputError, match=r"no 8-bit picture of class numbers without loss"):
        read_annotated(image)
    write(tmp_path, "training/1", photograph(0), np.ones((60, 59), np.uint8))
    with pytest.raises(InputError, match=r"the mask is 59x60 px but its image is 60x60 px"):
        read_annotated(image)
    write(tmp_path, "training/1", photograph(0), np.zeros((60, 60), np.uint8))
    with pytest.raises(InputError, match=r"marks no defect, but the image counts as defective"):
        read_annotated(image)
    image.mask.unlink()
    with pytest.raises(InputError, match=r"images/training/1\.png: no mask annotations/\.\.\./1\.png"):
        read(read_neu_seg, tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="no images"):
        read(read_neu_seg, tmp_path)
    with pytest.raises(InputError, match="no folders images/ and annotations/"):
        read(read_neu_seg, tmp_path / "images")
