"""Turning by the EXIF tag: as an independent implementation does, for pixels, points and boxes alike."""

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from stages.datasets.images import drawn_shape, open_image
from stages.datasets.orientation import stored_shape, upright, upright_point
from tests.datasets.small_sets import noise

ALL = range(1, 9)


def tagged(path, pixels, orientation, **options):
    """Write pixels, H W 3 or H W, as they are to be stored, with the tag."""
    exif = PIL.Image.Exif()
    exif[274] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_pixels_are_turned_as_pillow_turns_them(tmp_path, suffix, orientation):
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    path = tagged(tmp_path / f"a{suffix}", noise(6, 10), orientation, **options)
    seen = open_image(path)
    expected = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(path)).convert("RGB")).astype(int)
    assert seen.pixels.shape == expected.shape == (*((10, 6) if orientation >= 5 else (6, 10)), 3)
    assert np.abs(seen.pixels - expected).max() <= (2 if suffix == ".jpg" else 0)  # two builds of libjpeg
    assert seen.orientation == orientation
    assert drawn_shape(path, "auto") == expected.shape[:2]
    assert seen.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", ALL)
def test_a_16_bit_tiff_is_turned_too(tmp_path, orientation):
    stored = np.linspace(2**15, 2**16 - 1, 60).astype(np.uint16).reshape(6, 10)
    path = tagged(tmp_path / "a.tif", stored, orientation)
    assert np.array_equal(open_image(path).pixels[..., 0], upright(stored, orientation) >> 8)


@pytest.mark.parametrize("orientation", ALL)
def test_points_go_where_their_pixels_go(orientation):
    stored = np.arange(60).reshape(6, 10)
    seen = upright(stored, orientation)
    assert stored_shape(seen.shape, orientation) == (6, 10)
    for i, j in ((0, 0), (0, 9), (5, 0), (2, 7)):
        x, y = upright_point(j + 0.5, i + 0.5, seen.shape, orientation)  # a pixel's centre
        assert seen[int(y), int(x)] == stored[i, j]


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_tag_of_no_meaning_turns_nothing(tmp_path, value):
    exif = PIL.Image.Exif()
    exif[274] = value
    PIL.Image.fromarray(noise(6, 10)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(open_image(tmp_path / "a.png").pixels, noise(6, 10))
