"""Decoding: exact pixels, and one clear error for every broken file."""

import os
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from stages.datasets.images import IMAGE_SUFFIXES, exact_mask, image_shape, read_image, read_mask
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, source_image, write_pixels, write_text


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


def claiming(path, width, height):
    """Write a small PNG whose header claims another extent, checksum and all."""
    content = bytearray(cv2.imencode(".png", noise(4, 4))[1].tobytes())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(cv2, "imdecode", lambda *_: decoded.append(1))
    for width, height in ((10**5, 10**5), (2**14, 2**14 + 1), (2**31 - 1, 1)):
        with pytest.raises(InputError, match=rf"a\.png: the image claims {width}x{height} px, more than 268435456"):
            read_image(claiming(tmp_path / "a.png", width, height))
        with pytest.raises(InputError, match=r"m\.png: the mask claims"):
            read_mask(claiming(tmp_path / "m.png", width, height), 5, 5)
    assert not decoded


def test_the_extent_is_read_from_the_header(tmp_path):
    for suffix in IMAGE_SUFFIXES:
        assert image_shape(write_pixels(tmp_path / f"a{suffix}", noise(5, 7))) == (5, 7)
    assert image_shape(claiming(tmp_path / "a.png", 2**14, 2**14)) == (2**14, 2**14)
    with pytest.raises(InputError, match=r"b\.png: the image is truncated or not an image"):
        image_shape(write_text(tmp_path / "b.png", "no"))


def test_what_is_not_a_plain_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe", "endless", "folder"):
        with pytest.raises(InputError, match=rf"{name}\.png: the image is not a plain file"):
            read_image(tmp_path / f"{name}.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    with pytest.raises(InputError, match=r"circle\.png: the image cannot be read"):
        read_image(tmp_path / "circle.png")


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(2**30 + 1)  # sparse: takes no room
    with pytest.raises(InputError, match=r"a\.png: the image has 1073741825 bytes, more than 1073741824"):
        read_image(tmp_path / "a.png")


def test_marks_in_a_good_image_are_refused(tmp_path):
    mask = write_pixels(tmp_path / "m.png", np.full((3, 4), 255, np.uint8))
    image = source_image(tmp_path / "a.png", mask=mask, has_mask=True, defect_class="good")
    with pytest.raises(InputError, match=r"m\.png: marks defects, but the image counts as good"):
        exact_mask(image, 3, 4)
    assert exact_mask(replace(image, defect_class="pit"), 3, 4).all()
    assert not exact_mask(replace(image, mask=None), 3, 4).any()
    assert exact_mask(replace(image, mask=None, has_mask=False), 3, 4) is None
