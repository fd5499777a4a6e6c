"""What is laid over a photograph: the map's own levels, transparent where it is black."""

import io

import numpy as np
import PIL.Image

from stages.inspection.overlay import BRIGHT, COVER, DARK, overlay, png, reduce
from stages.inspection.regions import Region


def region(x: int, y: int, side: int) -> Region:
    corners = [(x, y), (x, y + side), (x + side, y + side), (x + side, y)]
    return Region(x, y, side, side, corners, side * side, 1.0, x, y, 0.9, "defective")


def test_its_pixels_are_the_levels_of_the_map():
    heat = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with PIL.Image.open(io.BytesIO(png(overlay(heat, [], 1)))) as picture:
        assert picture.mode == "P" and np.array_equal(np.asarray(picture), np.minimum(heat, 253))
        colours = np.asarray(picture.convert("RGBA"))
    assert colours[0, 0, 3] == 0 and colours[15, 13, 3] == round(253 * 0.7)
    assert (np.diff(colours[..., 3].ravel()[:254].astype(int)) >= 0).all()
    assert COVER[DARK] == COVER[BRIGHT] == 255


def test_regions_are_outlined_and_numbered():
    heat = np.zeros((120, 120), np.uint8)
    drawn = overlay(heat, [region(50, 60, 20)], 1)
    assert (drawn[60:81, 50] == BRIGHT).all() and drawn[70, 46] == 0 and drawn[70, 49] == DARK
    assert drawn[65:75, 55:65].max() == 0, "inside it stays as it is"
    above = drawn[40:57, 50:60]
    assert (above == BRIGHT).any(), "its number"


def test_a_reduced_one_has_what_belongs_to_the_reduced_photograph():
    pixels = np.zeros((100, 150, 3), np.uint8)
    shown = reduce(pixels, 64)
    assert (shown.step, shown.pixels.shape) == (3, (34, 50, 3))
    heat = np.zeros((100, 150), np.uint8)
    heat[30:60, 60:90] = 200
    assert overlay(heat, [], 3).shape == (34, 50) and (overlay(heat, [], 3)[11:19, 21:29] == 200).all()
    assert reduce(pixels, 150).pixels is pixels
