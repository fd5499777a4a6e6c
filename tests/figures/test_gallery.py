"""The gallery: what it says of a tile, and that its file is a small PNG with the same bytes each time."""

import numpy as np
import pytest
from PIL import Image

from stages.figures.gallery import Gallery, draw_gallery
from stages.figures.tile_pictures import TilePictures

FOUND, MISSED, ALARM, CORRECT = (True, 0.9), (True, 0.1), (False, 0.9), (False, 0.1)


def gallery(*tiles, truths=("boxes", "exact"), px=32, hits=None):
    """Return a gallery of tiles, given by label and probability; their peaks lie in the first truth alone."""
    rng = np.random.default_rng(0)
    defective, probability = np.array([label for label, _ in tiles]), np.array([value for _, value in tiles])
    box = np.zeros((len(tiles), px, px), bool)
    box[defective, px // 4 : px // 2, px // 4 : px // 2] = True
    heatmaps = np.repeat(np.add.outer(np.arange(px), np.arange(px)).astype(np.float32)[None], len(tiles), axis=0)
    noise = rng.integers(0, 256, (len(tiles), px, px, 3), dtype=np.uint8)
    known = {kind: np.full(len(tiles), float(place == 0)) for place, kind in enumerate(truths)}
    return Gallery(
        tiles=TilePictures(noise, dict.fromkeys(truths, box)),
        heatmaps=heatmaps,
        predictions=(heatmaps > px) & (probability > 0.5)[:, None, None],
        probability=probability,
        defective=defective,
        threshold=0.5,
        hits=known if hits is None else hits,
    )


def test_answers():
    drawn = gallery(FOUND, MISSED, ALARM, CORRECT, (True, 0.5))
    assert [drawn.answer(row) for row in range(5)] == ["found", "missed", "false alarm", "correct", "missed"]


def test_the_answer_is_the_classifiers_and_the_peak_the_heatmaps():
    assert gallery(MISSED).peak(0) == "peak in box, off mask"
    assert gallery(FOUND, truths=("exact",)).peak(0) == "peak in mask"
    assert gallery(FOUND, hits={"boxes": np.array([np.nan])}).peak(0) == "peak n/a box"
    assert gallery(ALARM).peak(0) == gallery(FOUND, truths=()).peak(0) == ""


def test_the_same_tiles_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_gallery(tmp_path / name, gallery(FOUND, CORRECT), "net, cam")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800


@pytest.mark.parametrize("truths", [(), ("exact",), ("boxes",)])
def test_any_truth_can_be_absent_and_a_heatmap_constant(tmp_path, truths):
    drawn = gallery(FOUND, CORRECT, truths=truths, px=16)
    drawn.heatmaps[1] = 1
    draw_gallery(tmp_path / "g.png", drawn, "net, cam")
    assert (tmp_path / "g.png").stat().st_size > 0
