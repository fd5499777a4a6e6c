"""What a tile's label is decided by: areas in source pixels, however far a window is shrunk, grown or turned."""

from dataclasses import replace

import numpy as np
import pytest

from stages.datasets.images import Box, Polygon
from stages.datasets.orientation import upright
from stages.tiling.cutting import cut_image
from tests.datasets.small_sets import TILE, noise, source_image, write_pixels
from tests.datasets.test_orientation import tagged


def boxed(tmp_path, *boxes, height=36, width=40, **changes):
    path = write_pixels(tmp_path / "a.png", noise(height, width))
    return source_image(path, boxes=tuple(Box(*box, "short") for box in boxes), **changes)


def test_areas_and_threshold_are_those_of_the_source(tmp_path):
    # 1% of 40 x 40 is 16 px, into whatever tile it is shrunk
    for px in (8, 20, 40):
        tile = replace(TILE, mode="resize", px=px)
        for height, label in ((4, "defective"), (3, "good")):
            row = cut_image(boxed(tmp_path, (0, 0, 4, height), height=40), tile).lines[0]
            assert (row["defect_px"], row["label"], row["width"], row["height"]) == (4 * height, label, 40, 40)


@pytest.mark.parametrize("kind", ["boxes", "polygon", "mask"])
def test_a_scratch_that_shrinks_to_less_than_a_pixel_keeps_label_and_truth(tmp_path, kind):
    corners = ((10.0, 50.0), (70.0, 50.0), (70.0, 51.0), (10.0, 51.0))
    mask = np.zeros((100, 100), np.uint8)
    mask[50, 10:70] = 255
    path = write_pixels(tmp_path / "a.png", noise(100, 100))
    image = {
        "boxes": lambda: source_image(path, boxes=(Box(10, 50, 70, 51, "scratch"),)),
        "polygon": lambda: source_image(path, has_mask=True, polygons=(Polygon(corners, "scratch"),)),
        "mask": lambda: source_image(path, has_mask=True, mask=write_pixels(tmp_path / "m.png", mask)),
    }[kind]()
    cut = cut_image(image, replace(TILE, px=20, mode="resize", defect_threshold=0.0))
    assert (cut.lines[0]["label"], cut.lines[0]["defect_px"]) == ("defective", 60)
    (packed,) = cut.truths.values()
    truth = np.unpackbits(packed, axis=-1, count=20).astype(bool)[0]
    assert np.argwhere(truth).tolist() == [[10, x] for x in range(2, 14)]
    assert (
        cut_image(image, replace(TILE, px=20, mode="resize", defect_threshold=0.006)).lines[0]["label"] == "defective"
    )
    assert cut_image(image, replace(TILE, px=20, mode="resize", defect_threshold=0.007)).lines[0]["label"] == "good"


def test_a_small_image_grows_with_its_truth(tmp_path):
    cut = cut_image(boxed(tmp_path, (0, 0, 5, 10), height=10, width=10), TILE)
    assert cut.lines[0]["defect_px"] == 50
    assert np.unpackbits(cut.truths["boxes"], axis=-1, count=20).sum() == 200


def test_a_turned_picture_has_the_same_tiles_as_the_upright_one(tmp_path):
    pixels, box = noise(36, 40), Box(2, 3, 9, 12, "short")
    plain = cut_image(source_image(write_pixels(tmp_path / "a.png", pixels), boxes=(box,)), TILE)
    path = tagged(tmp_path / "b.png", upright(pixels, 8), 6)
    turned = cut_image(source_image(path, boxes=(box,), annotated_shape=(36, 40)), TILE)
    assert np.array_equal(plain.images, turned.images)
    assert np.array_equal(plain.truths["boxes"], turned.truths["boxes"])
    assert [row["pixels_sha"] for row in plain.lines] == [row["pixels_sha"] for row in turned.lines]


def test_tiles_that_show_an_unclear_box_are_left_out_and_counted(tmp_path):
    grey = np.zeros((36, 40), np.uint8)
    grey[2:8, 2:8], grey[30:34, 35:39] = 255, 64  # seen in the windows at 0,0 and, without a change, at 16,16 only
    boxes = (Box(1, 1, 9, 9, "short"), Box(35, 30, 39, 34, "short"))
    mask = write_pixels(tmp_path / "m.png", grey)
    path = write_pixels(tmp_path / "a.png", noise(36, 40))
    cut = cut_image(source_image(path, boxes=boxes, mask=mask, has_mask=True, derived=True), TILE)
    assert [(row["x"], row["y"], row["label"]) for row in cut.lines] == [
        (0, 0, "defective"),
        (16, 0, "good"),
        (0, 16, "good"),
    ]
    assert len(cut.images) == len(cut.truths["exact"]) == len(cut.truths["boxes"]) == 3
    assert cut.notes == ("without the tiles that show a box in which nothing has changed",)


def test_a_mask_beyond_every_box_is_of_the_nearest_ones_class(tmp_path):
    mask = np.zeros((20, 36), np.uint8)
    mask[10, 14:30] = 255  # begins in the patch, ends nearer to it than to the ding
    boxes = (Box(10, 8, 15, 12, "patch"), Box(0, 0, 2, 2, "ding"))
    path, written = write_pixels(tmp_path / "a.png", noise(20, 36)), write_pixels(tmp_path / "m.png", mask)
    rows = cut_image(source_image(path, boxes=boxes, mask=written, has_mask=True, defect_class=""), TILE).lines
    assert [row["defect_class"] for row in rows] == ["patch", "patch"]


def test_a_tile_has_the_kind_that_its_outlines_show_and_not_that_of_a_box_around_a_neighbour(tmp_path):
    """The box of a diagonal scratch covers the whole picture, also a window in which there is but a dent."""
    scratch = Polygon(((0.0, 0.0), (160.0, 156.0), (160.0, 160.0), (0.0, 4.0)), "scratch")
    dent = Polygon(((10.0, 130.0), (25.0, 130.0), (25.0, 145.0), (10.0, 145.0)), "dent")
    boxes = (Box(0, 0, 160, 160, "scratch"), Box(10, 130, 25, 145, "dent"))
    path = write_pixels(tmp_path / "a.png", noise(160, 160))
    image = source_image(path, defect_class="", boxes=boxes, has_mask=True, polygons=(scratch, dent))
    rows = cut_image(image, replace(TILE, px=40, overlap_px=0, defect_threshold=0.0)).lines
    kinds = {(row["x"], row["y"]): row["defect_class"] for row in rows}
    assert kinds[0, 120] == "dent"
    assert {kinds[at, at] for at in (0, 40, 80, 120)} == {"scratch"}
    assert kinds[120, 0] == "good"


def test_kinds_turn_with_a_picture_that_was_outlined_as_it_is_stored(tmp_path):
    left, right = (
        Polygon(((x, 0.0), (x + 20.0, 0.0), (x + 20.0, 20.0), (x, 20.0)), n) for x, n in ((0.0, "a"), (20.0, "b"))
    )
    image = source_image(
        tagged(tmp_path / "a.jpg", noise(20, 40), 3),
        defect_class="",
        has_mask=True,
        polygons=(left, right),
        drawn_on="stored",
    )
    rows = cut_image(image, replace(TILE, px=20, overlap_px=0, defect_threshold=0.0)).lines
    assert [row["defect_class"] for row in rows] == ["b", "a"]


@pytest.mark.parametrize(
    ("height", "width", "mode", "noted"),
    [(10, 100, "window", True), (10, 10, "window", False), (40, 100, "window", False), (10, 100, "resize", False)],
)
def test_a_picture_narrower_than_a_tile_is_noted(tmp_path, height, width, mode, noted):
    image = boxed(tmp_path, (0, 0, 10, 10), height=height, width=width)
    notes = cut_image(image, replace(TILE, px=20, overlap_px=0, mode=mode)).notes
    assert any("squeezed" in note for note in notes) == noted
