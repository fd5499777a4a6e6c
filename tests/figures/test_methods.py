"""The methods side by side: the same picture for the same rows, cells laid where they lie."""

from pathlib import Path

import numpy as np
from PIL import Image

from stages.figures.methods import PANEL, MethodHeatmap, MethodsRow, choose_rows, draw_methods


def row(offset_px: float) -> MethodsRow:
    image = np.full((32, 32, 3), 128, np.uint8)
    truth = np.zeros((32, 32), bool)
    truth[:8, :8] = True
    heatmap = MethodHeatmap(np.array([[0.0, 1.0], [0.0, 0.0]]), 16, offset_px)
    return MethodsRow(image, {"boxes": truth, "exact": ~truth & False}, {"cam": heatmap, "flat": heatmap})


def test_same_rows_same_bytes_and_an_offset_moves_the_map(tmp_path: Path) -> None:
    for name, offset in (("a", 0.0), ("b", 0.0), ("c", 7.5)):
        draw_methods(tmp_path / f"{name}.png", [row(offset), row(offset)], "model")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 4 * PANEL * 100 and picture.height > 2 * PANEL * 100


def test_rows_are_spread_over_the_defective_tiles_or_over_all_where_none_is() -> None:
    defective = np.array([0, 1, 1, 1, 0, 1, 1], bool)
    for count, expected in ((1, [1]), (2, [1, 6]), (3, [1, 3, 6]), (9, [1, 2, 3, 5, 6])):
        rows, label = choose_rows(defective, count)
        assert (rows.tolist(), label) == (expected, "defective")
    rows, label = choose_rows(np.zeros(3, bool), 2)
    assert (rows.tolist(), label) == ([0, 2], "good")
