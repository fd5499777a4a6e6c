"""Truth and picture in one place, whatever an EXIF tag turns; a class and marks that contradict it are refused."""

from dataclasses import replace

import numpy as np
import pytest

from stages.datasets.images import Box, Polygon
from stages.datasets.orientation import stored_shape, upright
from stages.datasets.truths import AUTO, read_annotated
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, source_image, write_pixels
from tests.datasets.test_orientation import tagged

BACK = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # the tag that undoes a tag
BOX = Box(3, 4, 12, 9, "pit")


def seen_picture(height, width):
    """Return the upright picture, grey but for a dark defect, and the defect."""
    pixels, defect = np.full((height, width, 3), 170, np.uint8), np.zeros((height, width), bool)
    defect[BOX.y_min : BOX.y_max, BOX.x_min : BOX.x_max] = True
    pixels[defect] = 20
    return pixels, defect


def stored_box(shape, orientation):
    """Return the defect's box in the numbers of the stored picture."""
    _, defect = seen_picture(*shape)
    rows, columns = np.nonzero(upright(defect, BACK[orientation]))
    return Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1, "pit")


def photographed(path, shape, orientation):
    return tagged(path, upright(seen_picture(*shape)[0], BACK[orientation]), orientation)


def polygon(box):
    return Polygon(
        tuple(
            (float(x), float(y))
            for x, y in ((box.x_min, box.y_min), (box.x_max, box.y_min), (box.x_max, box.y_max), (box.x_min, box.y_max))
        ),
        "pit",
    )


def assert_on_the_defect(image, shape, **options):
    seen = read_annotated(image, replace(AUTO, **options))
    pixels, defect = seen_picture(*shape)
    assert np.array_equal(seen.pixels, pixels)
    for truth in seen.truths.values():
        assert np.array_equal(truth, defect)
    assert seen.boxes in (None, (BOX,))
    return seen


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(20, 30), (24, 24)])
@pytest.mark.parametrize("drawn_on", ["upright", "stored"])
def test_the_truth_lies_on_the_defect_whatever_was_drawn_on(tmp_path, shape, orientation, drawn_on):
    box = BOX if drawn_on == "upright" else stored_box(shape, orientation)
    own = shape if drawn_on == "upright" else stored_shape(shape, orientation)
    image = source_image(
        photographed(tmp_path / "a.png", shape, orientation),
        boxes=(box,),
        polygons=(polygon(box),),
        has_mask=True,
        annotated_shape=own,
        drawn_on=drawn_on,
    )
    seen = assert_on_the_defect(image, shape)
    assert seen.notes == (() if orientation == 1 else ("turned upright by their EXIF tag",))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("drawn_on", ["upright", "stored"])
def test_the_claimed_size_tells_a_quarter_turn(tmp_path, orientation, drawn_on):
    shape = (20, 30)
    box = BOX if drawn_on == "upright" else stored_box(shape, orientation)
    own = shape if drawn_on == "upright" else stored_shape(shape, orientation)
    path = photographed(tmp_path / "a.png", shape, orientation)
    image = source_image(path, boxes=(box,), annotated_shape=own)
    assert_on_the_defect(image, shape)
    assert_on_the_defect(image, shape, exif="stored")  # what the size tells comes first


@pytest.mark.parametrize(("shape", "orientation"), [((20, 30), 3), ((20, 30), 2), ((24, 24), 6)])
def test_where_nothing_tells_the_image_is_refused_until_the_parameter_does(tmp_path, shape, orientation):
    path = photographed(tmp_path / "a.png", shape, orientation)
    image = source_image(path, boxes=(BOX,), annotated_shape=shape)
    words = rf"a\.png: an EXIF tag turns this picture \(orientation {orientation}\).*set dataset\.exif"
    with pytest.raises(InputError, match=words):
        read_annotated(image)
    assert_on_the_defect(image, shape, exif="upright")
    drawn = source_image(path, boxes=(stored_box(shape, orientation),), annotated_shape=shape)
    assert_on_the_defect(drawn, shape, exif="stored")


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_good_picture_is_turned_without_a_question(tmp_path, orientation):
    path = photographed(tmp_path / "a.png", (24, 24), orientation)
    seen = read_annotated(source_image(path, boxes=(), defect_class="good", annotated_shape=(24, 24)))
    assert np.array_equal(seen.pixels, seen_picture(24, 24)[0])


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_is_turned_when_its_size_is_that_of_the_stored_picture(tmp_path, orientation):
    shape = (20, 30)
    path = photographed(tmp_path / "a.png", shape, orientation)
    mask = seen_picture(*shape)[1].astype(np.uint8) * 255
    for name, pixels in (("upright", mask), ("stored", upright(mask, BACK[orientation]))):
        written = write_pixels(tmp_path / f"{name}.png", pixels)
        assert_on_the_defect(source_image(path, mask=written, has_mask=True), shape)
    both = tagged(tmp_path / "tagged.png", upright(mask, BACK[orientation]), orientation)
    assert_on_the_defect(source_image(path, mask=both, has_mask=True), shape)


def test_a_mask_of_a_picture_upside_down_needs_the_parameter(tmp_path):
    shape = (20, 30)
    path = photographed(tmp_path / "a.png", shape, 3)
    mask = seen_picture(*shape)[1].astype(np.uint8) * 255
    image = source_image(path, mask=write_pixels(tmp_path / "m.png", mask), has_mask=True, drawn_on="upright")
    with pytest.raises(InputError, match=r"nothing says whether"):  # drawn_on is of the annotation beside it
        read_annotated(image)
    assert_on_the_defect(image, shape, exif="upright")
    both = tagged(tmp_path / "tagged.png", upright(mask, 3), 3)
    assert_on_the_defect(source_image(path, mask=both, has_mask=True), shape)


def test_a_size_that_fits_neither_names_the_tag(tmp_path):
    path = photographed(tmp_path / "a.png", (20, 30), 6)
    image = source_image(path, boxes=(BOX,), annotated_shape=(20, 31))
    words = r"is 30x20 px \(upright; its EXIF orientation is 6\) but its annotation says 31x20 px"
    with pytest.raises(InputError, match=words):
        read_annotated(image)
    mask = write_pixels(tmp_path / "m.png", np.zeros((21, 30), np.uint8))
    with pytest.raises(InputError, match=r"the mask is 30x21 px but its image is 30x20 or 20x30 px \(upright"):
        read_annotated(source_image(path, mask=mask, has_mask=True))


def test_marks_in_a_good_image_are_refused(tmp_path):
    path = write_pixels(tmp_path / "a.png", noise(9, 9))
    marked = np.zeros((9, 9), np.uint8)
    marked[3, 4] = 255
    mask = write_pixels(tmp_path / "m.png", marked)
    image = source_image(path, mask=mask, has_mask=True, defect_class="good")
    with pytest.raises(InputError, match=r"m\.png: marks defects, but the image counts as good"):
        read_annotated(image)
    assert not read_annotated(source_image(path, has_mask=True, defect_class="good")).truths["exact"].any()
    assert read_annotated(source_image(path, label="good")).truths == {}


@pytest.mark.parametrize("defect_class", ["pit", ""])
def test_a_defective_image_without_a_mark_is_refused(tmp_path, defect_class):
    path = write_pixels(tmp_path / "a.png", noise(9, 9))
    mask = write_pixels(tmp_path / "m.png", np.zeros((9, 9), np.uint8))
    said = defect_class or "defective"
    with pytest.raises(
        InputError, match=rf"m\.png: marks no defect, but the image counts as {said}; correct or remove"
    ):
        read_annotated(source_image(path, mask=mask, has_mask=True, defect_class=defect_class))
    with pytest.raises(InputError, match=r"a\.png: marks no defect"):
        read_annotated(source_image(path, boxes=(), defect_class=defect_class))


def test_a_mask_beside_its_boxes_is_refused(tmp_path):
    path = write_pixels(tmp_path / "a.png", noise(20, 30))
    marked = np.zeros((20, 30), np.uint8)
    marked[15, 20] = 255
    mask = write_pixels(tmp_path / "m.png", marked)
    with pytest.raises(InputError, match=r"m\.png: marks nothing inside the image's boxes"):
        read_annotated(source_image(path, boxes=(BOX,), mask=mask, has_mask=True))
