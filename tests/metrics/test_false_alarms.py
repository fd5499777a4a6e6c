"""False alarms on good tiles: lit pixels, regions, black tiles, no tiles at all."""

import math

import numpy as np
import pytest

from stages.metrics.false_alarms import false_alarms, lit_regions
from stages.metrics.thesis import scale_to_255


def test_lit_pixels_and_the_largest_region():
    maps = np.zeros((4, 4, 4), np.float32)
    maps[0, 0, :3] = 1  # three in a row
    maps[0, 3, 3] = 1  # and one alone
    maps[1] = 7  # constant
    maps[2, 1, 1] = maps[2, 2, 2] = 1  # joined at a corner
    regions = lit_regions(scale_to_255(maps), 127)
    assert regions.tolist() == [[4, 3], [0, 0], [2, 2], [0, 0]]
    assert false_alarms(regions, 16, 3) == {
        "lit_fraction": pytest.approx(6 / 64),
        "tiles_with_region": 0.5,
        "tiles_with_large_region": 0.25,
        "good_tiles": 4,
    }


def test_no_tile_is_no_statement():
    nothing = false_alarms(np.zeros((0, 2), int), 16, 3)
    assert nothing["good_tiles"] == 0
    assert all(math.isnan(nothing[name]) for name in nothing if name != "good_tiles")
    assert lit_regions(np.zeros((0, 3, 3)), 127).shape == (0, 2)
