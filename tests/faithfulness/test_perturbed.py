"""What is made of one explanation: regions of equal area, and curves that compare."""

import numpy as np
import pytest

from stages.faithfulness.perturbed import Marked, perturb_tiles


def test_the_curves_of_a_map_and_of_a_random_one_are_means_over_the_same_tiles() -> None:
    pixels = np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4, 1).repeat(3, axis=3)
    varied, chance = np.random.default_rng(0).random((2, 2, 4, 4), np.float32)
    varied[1] = 0.5  # orders nothing

    def predict(tiles: np.ndarray) -> np.ndarray:
        return tiles.mean(axis=(1, 2, 3)) / 255

    marked = Marked(varied, varied > 0.5, chance, chance > 0.5)
    _, points = perturb_tiles(pixels, predict(pixels), marked, np.zeros_like(pixels), 2, predict)
    whole = {(point.map, point.curve): point.probability for point in points if point.fraction == 0}
    first = pixels[0].mean() / 255
    assert (whole["own", "deletion"], whole["random", "deletion"]) == (pytest.approx(first), pytest.approx(first))
