"""Masks as tools write them: the same defect from each, and one clear error where the values may mean two things."""

import cv2
import numpy as np
import PIL.Image
import pytest

from stages.datasets.mask_files import read_derived, read_mask
from stages.datasets.orientation import upright
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, write_pixels

DEFECT = np.zeros((40, 60), bool)
DEFECT[10:25, 20:45] = True
DEFECT[30, 3:50] = True  # a scratch of one pixel
VOC_COLOURS = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [0] * 756


def save(path, pixels, **options):
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def two(low, high, dtype=np.uint8):
    return np.where(DEFECT, high, low).astype(dtype)


def painted(r, g, b):
    return np.dstack([two(0, level) for level in (r, g, b)])


def layer(r, g, b):
    """A colour everywhere whose opacity is the mask."""
    return np.dstack([np.full(DEFECT.shape, level, np.uint8) for level in (r, g, b)] + [two(0, 255)])


GREYS = {
    "0/255": two(0, 255),
    "0/1": two(0, 1),
    "0/100": two(0, 100),
    "0/128": two(0, 128),
    "16 bits, full": two(0, 65535, np.uint16),
    "16 bits, 0/1": two(0, 1, np.uint16),
    "16 bits, 0/255": two(0, 255, np.uint16),
    "1 bit": DEFECT,
    "red": painted(255, 0, 0),
    "dark red": painted(128, 0, 0),
    "white in colour": painted(255, 255, 255),
    "RGBA, alike": np.dstack([two(0, 255)] * 4),
    "LA, alike": np.dstack([two(0, 255)] * 2),
    "RGBA, white layer": layer(255, 255, 255),
    "RGBA, black layer": layer(0, 0, 0),
    "RGBA, red layer": layer(255, 0, 0),
    "RGBA, opaque": np.dstack([two(0, 255)] * 3 + [np.full(DEFECT.shape, 255, np.uint8)]),
}


@pytest.mark.parametrize("name", GREYS)
def test_common_encodings_mark_the_same_pixels(tmp_path, name):
    assert np.array_equal(read_mask(save(tmp_path / "m.png", GREYS[name])).pixels, DEFECT)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_formats_mark_the_same_pixels(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    for pixels in (two(0, 1), two(0, 255)):
        path = save(tmp_path / f"m{suffix}", np.repeat(pixels[..., None], 3, axis=2), **options)
        assert np.array_equal(read_mask(path).pixels, DEFECT)


def palette_image(path, numbers, palette):
    image = PIL.Image.new("P", numbers.shape[::-1])
    image.putdata(numbers.ravel().tolist())
    image.putpalette(palette)
    image.save(path)
    return path


@pytest.mark.parametrize(
    "palette",
    [
        [0, 0, 0, 128, 0, 0],  # VOC: number 1 is a dark red
        [0, 0, 0, 255, 255, 255],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0, 0],  # colours that say nothing
    ],
)
def test_a_palette_is_read_by_number(tmp_path, palette):
    numbers = DEFECT.astype(np.uint8)
    assert np.array_equal(read_mask(palette_image(tmp_path / "m.png", numbers, palette + [0] * 762)).pixels, DEFECT)


@pytest.mark.parametrize("first", [[255, 255, 255], [255, 0, 0]])
def test_a_palette_whose_first_colour_is_not_black_is_read_by_colour(tmp_path, first):
    numbers = (~DEFECT).astype(np.uint8)  # number 0 is the bright one
    path = palette_image(tmp_path / "m.png", numbers, [*first, 0, 0, 0] + [0] * 762)
    assert np.array_equal(read_mask(path).pixels, DEFECT)


def test_class_numbers_are_all_defects(tmp_path):
    numbers = DEFECT.astype(np.uint8)
    numbers[30] *= 3
    numbers[12:15, 20:30] = 2
    assert np.array_equal(read_mask(write_pixels(tmp_path / "m.png", numbers)).pixels, DEFECT)
    path = palette_image(tmp_path / "p.png", numbers, VOC_COLOURS)
    assert np.array_equal(read_mask(path).pixels, DEFECT)


def test_smoothed_edges_are_cut_at_half(tmp_path):
    row = np.zeros((1, 60), np.uint8)
    row[0, 20:26] = 90, 127, 128, 255, 255, 100
    assert np.flatnonzero(read_mask(write_pixels(tmp_path / "m.png", row)).pixels[0]).tolist() == [22, 23, 24]
    soft = cv2.resize(two(0, 255), (30, 20), interpolation=cv2.INTER_AREA)
    soft[15] = 0  # the scratch, which is half as bright: see below
    assert np.array_equal(read_mask(write_pixels(tmp_path / "s.png", soft)).pixels, soft > 127)


def test_half_is_that_of_the_brightest_value(tmp_path):
    row = np.zeros((1, 60), np.uint8)
    row[0, 20:24] = 60, 88, 89, 176  # a crack so thin that no pixel is full
    assert np.flatnonzero(read_mask(write_pixels(tmp_path / "m.png", row)).pixels[0]).tolist() == [22, 23]


def test_specks_of_smoothing_are_black(tmp_path):
    pixels = two(0, 255)
    pixels[2, 2:4], pixels[14, 20] = 74, 90
    assert np.flatnonzero(read_mask(write_pixels(tmp_path / "m.png", pixels)).pixels != DEFECT).tolist() == [
        14 * 60 + 20
    ]


def test_a_jpeg_is_cut_at_half(tmp_path):
    block = two(0, 255)
    block[30] = 0
    for quality in (60, 95):
        save(tmp_path / "m.jpg", block, quality=quality)
        assert np.array_equal(read_mask(tmp_path / "m.jpg").pixels, block > 0)
    assert not read_mask(save(tmp_path / "n.jpg", block // 255, quality=95)).pixels.any()  # too faint to survive


def areas(*levels):
    """Areas of 8 x 8 px, one a level, on black."""
    pixels = np.zeros((20, 12 * len(levels)), np.uint8)
    for number, level in enumerate(levels):
        pixels[5:13, 12 * number + 2 : 12 * number + 10] = level
    return pixels


def blurred():
    line = np.zeros((40, 60), np.uint8)
    line[5:15, 5:20], line[30, 5:55] = 255, 100  # a crack thinner than a pixel, beside a spot
    return line


DOUBTFUL = {
    "classes far apart": (areas(100, 200), "areas of a grey of their own"),
    "unclear beside white": (areas(127, 255), "areas of a grey of their own"),
    "dim": (areas(40, 90), "is not black and white: 0 to 90 of 255"),
    "class and void": (areas(1, 255), "class numbers and 255"),
    "without black": (areas(100) + 100, "is not black and white: 100 to 200"),
    "a faint part": (blurred(), "neither black nor anywhere above 127"),
    "a photograph": (noise(40, 60)[..., 0], "is a photograph or a heatmap"),
    "inverted": (two(255, 0), r"marks 100% of the picture's border"),
    "all of it": (np.full((9, 9), 255, np.uint8), r"marks 100% of the picture's border"),
    "colours and opacity": (np.dstack([areas(255, 0)] * 3 + [areas(255, 255)]), "transparency and colours mark"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_mean_two_things_is_refused_with_its_values(tmp_path, name):
    pixels, words = DOUBTFUL[name]
    with pytest.raises(InputError, match=words) as refused:
        read_mask(save(tmp_path / "m.png", pixels))
    assert str(refused.value).startswith(f"{tmp_path / 'm.png'}: ")
    assert "\n" not in str(refused.value)


def test_the_parameter_decides_what_is_doubtful(tmp_path):
    path = write_pixels(tmp_path / "m.png", areas(100, 200))
    assert np.array_equal(read_mask(path, "nonzero").pixels, areas(100, 200) > 0)
    assert np.array_equal(read_mask(path, "bright").pixels, areas(100, 200) > 127)
    path = write_pixels(tmp_path / "i.png", two(255, 0))
    assert np.array_equal(read_mask(path, "dark").pixels, DEFECT)
    assert np.array_equal(read_mask(path, "bright").pixels, ~DEFECT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_by_its_own_tag(tmp_path, orientation):
    for name, pixels in (("g.tif", two(0, 255)), ("b.tif", DEFECT), ("u.tif", two(0, 1, np.uint16))):
        mask = read_mask(save(tmp_path / name, pixels, tiffinfo={274: orientation}))
        assert np.array_equal(mask.pixels, upright(DEFECT, orientation))
    assert mask.orientation == orientation


def test_the_reading_is_told(tmp_path):
    told = {
        values: read_mask(write_pixels(tmp_path / f"{values}.png", two(0, values))).reading for values in (1, 100, 255)
    }
    assert told == {1: "class numbers, all but 0 defect", 100: "0 and 100", 255: "0 and 255"}


def test_a_derived_mask_has_a_value_for_unclear_places(tmp_path):
    defect, unclear = read_derived(write_pixels(tmp_path / "m.png", np.array([[0, 64, 255]], np.uint8)))
    assert (defect.tolist(), unclear.tolist()) == ([[False, False, True]], [[False, True, False]])
    assert read_derived(write_pixels(tmp_path / "n.png", two(0, 255)))[1] is None
