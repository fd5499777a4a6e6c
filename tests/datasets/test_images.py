"""Decoding: exact pixels, and one clear error for every broken file."""

import cv2
import numpy as np
import pytest

from stages.datasets.images import read_image, read_mask
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, write_pixels


def test_pixels_are_rgb_as_stored(tmp_path):
    pixels = noise(5, 7)
    assert np.array_equal(read_image(write_pixels(tmp_path / "a.png", pixels)), pixels)


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = noise(5, 7)[..., 0]
    read = read_image(write_pixels(tmp_path / "a.png", grey))
    assert np.array_equal(read, np.repeat(grey[..., None], 3, axis=2))


def test_16_bits_become_8(tmp_path):
    read = read_image(write_pixels(tmp_path / "a.png", np.array([[0, 256, 65535]], np.uint16)))
    assert read[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.95])
def test_a_truncated_image_is_refused(tmp_path, capfd, suffix, kept):
    path = write_pixels(tmp_path / f"a{suffix}", noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match=rf"a\{suffix}: the image is truncated or not an image.*dataset\.root"):
        read_image(path)
    if suffix in (".jpg", ".png"):
        assert capfd.readouterr() == ("", "")


def test_a_preview_in_the_head_does_not_hide_a_missing_end(tmp_path):
    preview = cv2.imencode(".jpg", noise(8, 8))[1].tobytes()
    whole = cv2.imencode(".jpg", noise(64, 64))[1].tobytes()
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    (tmp_path / "a.jpg").write_bytes(whole[:2] + segment + whole[2:])
    assert read_image(tmp_path / "a.jpg").shape == (64, 64, 3)
    (tmp_path / "a.jpg").write_bytes(whole[:2] + segment + whole[2:-20])
    with pytest.raises(InputError, match="truncated"):
        read_image(tmp_path / "a.jpg")


def test_text_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"a\.jpg: the image is truncated or not an image"):
        read_image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"b\.jpg: the image cannot be read \(No such file"):
        read_image(tmp_path / "b.jpg")


def test_a_mask_is_cut_above_127(tmp_path):
    path = write_pixels(tmp_path / "m.png", np.array([[0, 127, 128, 255]], np.uint8))
    assert read_mask(path, 1, 4).tolist() == [[False, False, True, True]]


def test_a_mask_of_another_extent_is_refused(tmp_path):
    path = write_pixels(tmp_path / "m.png", np.zeros((3, 4), np.uint8))
    with pytest.raises(InputError, match=r"m\.png: the mask is 4x3 px but its image is 3x4 px"):
        read_mask(path, 4, 3)
