"""The methods side by side: the same picture for the same tiles, cells laid where they lie."""

from pathlib import Path

import numpy as np
from PIL import Image

from stages.figures.methods import PANEL, MethodHeatmaps, draw_methods
from stages.figures.tile_pictures import TilePictures


def test_same_tiles_same_bytes_and_an_offset_moves_the_map(tmp_path: Path) -> None:
    truth = np.zeros((2, 32, 32), bool)
    truth[:, :8, :8] = True
    tiles = TilePictures(np.full((2, 32, 32, 3), 128, np.uint8), {"boxes": truth, "exact": truth & False})
    for name, offset_px in (("a", 0.0), ("b", 0.0), ("c", 7.5)):
        maps = MethodHeatmaps(np.array([[[0.0, 1.0], [0.0, 0.0]]] * 2), 16, offset_px)
        draw_methods(tmp_path / f"{name}.png", tiles, {"cam": maps, "flat": maps}, "model")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 4 * PANEL * 100 and picture.height > 2 * PANEL * 100
