"""Decoding: exact pixels, and one clear error for every broken file."""

import os
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest

from stages.datasets import images
from stages.datasets.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES, drawn_shape, read_image
from stages.datasets.mask_files import read_mask
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, write_pixels, write_text


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
    reason = "empty" if kept == 0 else "truncated"
    with pytest.raises(InputError, match=rf"a\{suffix}: the image is {reason}.*dataset\.root"):
        read_image(path)
    if suffix in (".jpg", ".png"):
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_a_big_picture_decoded_in_place_is_the_same(tmp_path, monkeypatch, suffix):
    path = write_pixels(tmp_path / f"a{suffix}", noise(64, 48))
    before = read_image(path)
    monkeypatch.setattr(images, "BIG_PIXELS", 10)
    assert np.array_equal(read_image(path), before)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_big_picture_that_is_damaged_is_refused_too(tmp_path, monkeypatch, suffix, kept):
    """Decoded in place, a file that the decoder does not understand leaves what was there before."""
    monkeypatch.setattr(images, "BIG_PIXELS", 10)
    monkeypatch.setattr(images, "is_whole", lambda _: True)
    path = write_pixels(tmp_path / f"a{suffix}", noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match="truncated, damaged"):
        read_image(path)


def test_a_big_picture_of_16_bits_or_turned(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "BIG_PIXELS", 10)
    wide = np.array([[0, 256, 65535] * 4] * 2, np.uint16)
    assert read_image(write_pixels(tmp_path / "a.png", wide))[0, :3, 0].tolist() == [0, 1, 255]
    exif = PIL.Image.Exif()
    exif[274] = 6
    PIL.Image.fromarray(noise(8, 12)).save(tmp_path / "b.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "b.png"), np.rot90(noise(8, 12), -1))


def test_more_pixels_than_asked_for_are_refused(tmp_path):
    path = write_pixels(tmp_path / "a.png", noise(5, 7))
    assert read_image(path, max_pixels=35).shape == (5, 7, 3)
    with pytest.raises(InputError, match="claims 7x5 px, more than 34"):
        read_image(path, max_pixels=34)


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
    with pytest.raises(InputError, match=r"a\.jpg: the image is of no format that is read"):
        read_image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"b\.jpg: the image cannot be read \(No such file"):
        read_image(tmp_path / "b.jpg")


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
            read_mask(claiming(tmp_path / "m.png", width, height))
    assert not decoded


def test_the_extent_is_read_from_the_header(tmp_path):
    for suffix in IMAGE_SUFFIXES - {".jfif"}:  # which the writer does not know
        assert drawn_shape(write_pixels(tmp_path / f"a{suffix}", noise(5, 7)), "auto") == (5, 7)
    assert drawn_shape(claiming(tmp_path / "a.png", 2**14, 2**14), "auto") == (2**14, 2**14)
    with pytest.raises(InputError, match=r"b\.png: the image is of no format that is read"):
        drawn_shape(write_text(tmp_path / "b.png", "no"), "auto")


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


def test_bits_that_nobody_stated_are_refused_and_stated_ones_are_kept(tmp_path):
    path = write_pixels(tmp_path / "a.png", np.array([[0, 16, 2048, 4095]], np.uint16))
    with pytest.raises(InputError, match=r"a\.png: a 16-bit file whose values end at 4095; set dataset\.bit_depth"):
        read_image(path)
    assert read_image(path, 12)[0, :, 0].tolist() == [0, 1, 128, 255]
    assert read_image(path, 14)[0, :, 0].tolist() == [0, 0, 32, 63]
    assert read_image(path, 16)[0, :, 0].tolist() == [0, 0, 8, 15]
    with pytest.raises(InputError, match=r"a\.png: has values up to 4095, more than 10 bits hold.*dataset\.bit_depth"):
        read_image(path, 10)
    assert not read_image(write_pixels(tmp_path / "b.png", np.zeros((2, 2), np.uint16))).any()  # black at any depth
    assert read_image(write_pixels(tmp_path / "c.png", np.full((1, 1), 200, np.uint16)), 8)[0, 0, 0] == 200


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_two_images_of_one_camera_keep_their_difference_in_brightness(tmp_path, suffix):
    dark, bright = (
        read_image(write_pixels(tmp_path / f"{level}{suffix}", np.full((3, 3), level, np.uint16)), 12).mean()
        for level in (400, 4000)
    )
    assert (dark, bright) == (400 >> 4, 4000 >> 4)


def pil(path, pixels, **options):
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def test_what_stands_behind_the_end_does_not_count(tmp_path):
    film = np.random.default_rng(0).bytes(400_000)  # holds the marks of a scan and of an end by chance
    assert b"\xff\xda" in film and b"\xff\xd9" in film
    for suffix in (".jpg", ".png", ".webp"):
        path = write_pixels(tmp_path / f"a{suffix}", noise(64, 64))
        alone = read_image(path)
        for tail in (film, bytes(4096), b"x" * 300):
            path.write_bytes(path.read_bytes() + tail)
            assert np.array_equal(read_image(path), alone)


def test_a_webp_is_read_and_a_cut_one_refused(tmp_path):
    path = pil(tmp_path / "a.webp", noise(20, 30), lossless=True)
    assert np.array_equal(read_image(path), noise(20, 30))
    path.rename(tmp_path / "b.jpg")  # what is inside counts, not the name
    assert np.array_equal(read_image(tmp_path / "b.jpg"), noise(20, 30))
    path.write_bytes((tmp_path / "b.jpg").read_bytes()[:-10])
    with pytest.raises(InputError, match="truncated: its end is missing"):
        read_image(path)


OTHERS = {
    "GIF": b"GIF89a" + bytes(40),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(40),
    "AVIF": b"\0\0\0\x18ftypavif" + bytes(40),
    "PDF": b"%PDF-1.7" + bytes(40),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n" + bytes(40),
    "NetPBM": b"P5\n2 2\n255\n" + bytes(4),
    "DICOM": bytes(128) + b"DICM" + bytes(40),
    "text": b"<html></html>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1",
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_format_is_named(tmp_path, name):
    (tmp_path / "a.jpg").write_bytes(OTHERS[name])
    with pytest.raises(InputError, match=rf"a\.jpg: the image is an? .*{name}.*which is not read; save it as PNG"):
        read_image(tmp_path / "a.jpg")


def test_a_raw_file_is_no_tiff_of_its_preview(tmp_path):
    pil(tmp_path / "a.tif", noise(8, 8)).rename(tmp_path / "a.DNG")
    with pytest.raises(InputError, match=r"a\.DNG: the image is a camera's raw file, which is not read"):
        read_image(tmp_path / "a.DNG")


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_without_a_known_white_are_refused(tmp_path, capfd, kind):
    path = pil(tmp_path / "a.tif", np.ones((5, 5), kind))
    with pytest.raises(InputError, match=r"a\.tif: the image has (floating-point pixels|pixels of 32 bits)"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp"])
def test_several_pictures_in_one_file_are_refused(tmp_path, suffix):
    first, second = (PIL.Image.fromarray(noise(20, 20, seed)) for seed in (0, 1))
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second])
    with pytest.raises(InputError, match=rf"a\{suffix}: the image holds 2 pictures \(pages or frames\)"):
        read_image(tmp_path / f"a{suffix}")


def test_a_preview_page_does_not_count(tmp_path):
    first, small = (PIL.Image.fromarray(noise(side, side)) for side in (20, 5))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert np.array_equal(read_image(tmp_path / "a.tif"), noise(20, 20))


def test_other_kinds_of_pixels_are_the_same_picture(tmp_path):
    """Two levels survive every conversion: black 20, white 170, in a shape that says where is up."""
    grey = np.full((24, 36), 170, np.uint8)
    grey[2:9, 3:20] = 20
    colour = np.repeat(grey[..., None], 3, axis=2)
    opaque = np.full_like(grey, 128)
    made = {
        "la.png": pil(tmp_path / "la.png", np.dstack([grey, opaque])),
        "rgba.png": pil(tmp_path / "rgba.png", np.dstack([colour, opaque])),
        "white.tif": pil(tmp_path / "white.tif", grey, tiffinfo={262: 0}),
        "grey.bmp": pil(tmp_path / "grey.bmp", grey),
    }
    PIL.Image.fromarray(colour).convert("P", palette=PIL.Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    PIL.Image.fromarray(colour).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    for name in (*made, "palette.png", "cmyk.jpg"):
        read = read_image(tmp_path / name).astype(int)
        assert np.abs(read - colour).max() <= (3 if name == "cmyk.jpg" else 0), name


def test_every_suffix_is_either_read_or_refused_by_name():
    assert not IMAGE_SUFFIXES & UNREAD_SUFFIXES
    assert {".webp", ".jfif"} < IMAGE_SUFFIXES and {".gif", ".heic", ".dng"} < UNREAD_SUFFIXES
