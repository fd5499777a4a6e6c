"""Shapes of today's tools: AI masks against their pixels, rotated and four-point boxes, sizes that a file lacks."""

import base64
import io
import json

import numpy as np
import PIL.Image
import pytest

from stages.datasets.images import Bitmap, Box
from stages.datasets.labelme import read_labelme, read_shapes
from stages.datasets.rasters import fill
from stages.datasets.truths import AUTO
from stages.runtime.errors import InputError
from tests.datasets.small_sets import labelme, noise, read, write_pixels, write_text

FOUR = [[2, 3], [12, 3], [12, 8], [2, 8]]


def png(mask, mode="1"):
    file = io.BytesIO()
    PIL.Image.fromarray(np.asarray(mask, np.uint8) * 255).convert(mode).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def write_mask(root, mask, points, **changes):
    """Write 30x20 px with one shape as labelme's AI tools make it."""
    shape = {"label": "pit", "shape_type": "mask", "points": points, "mask": mask} | changes
    content = json.loads(labelme(20, 30)) | {"shapes": [shape]}
    write_pixels(root / "a.png", noise(20, 30))
    return write_text(root / "a.json", json.dumps(content))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_mask_marks_its_pixels(tmp_path, mode):
    mask = np.random.default_rng(0).random((6, 11)) > 0.5
    mask[0, 0] = mask[5, 10] = True
    write_mask(tmp_path, png(mask, mode), [[2, 3], [12, 8]])
    (image,) = read(read_labelme, tmp_path)
    truth = np.zeros((20, 30), bool)
    truth[3:9, 2:13] = mask
    assert np.array_equal(fill([], 20, 30, image.bitmaps), truth)
    assert (image.boxes, image.defect_class, image.has_mask) == ((Box(2, 3, 13, 9, "pit"),), "pit", True)


def test_a_mask_of_more_than_it_needs_has_a_tight_box(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[4, 5:7] = True
    write_mask(tmp_path, png(mask), [[0.0, 0.0], [29.0, 19.0]])
    marks = read_shapes(tmp_path / "a.json", tmp_path / "a.png", AUTO)
    assert marks.boxes == (Box(5, 4, 7, 5, "pit"),)
    assert marks.bitmaps == (Bitmap(5, 4, 2, 1, b"\xc0", "pit"),)


FULL = np.ones((6, 11), bool)
WRONG = {
    "outside": (png(FULL), [[22, 3], [32, 8]], "its mask covers x 22..32, y 3..8, outside the image of 30x20 px"),
    "negative": (png(FULL), [[-1, 3], [9, 8]], "its mask covers x -1..9"),
    "extent": (png(FULL), [[2, 3], [11, 8]], "its mask has 11x6 px but its corners say 10x6 px"),
    "turned": (png(FULL), [[12, 8], [2, 3]], "but its corners say -9x-4 px"),
    "empty": (png(FULL & False), [[2, 3], [12, 8]], "its mask is empty; remove the shape"),
    "no PNG": (base64.b64encode(b"GIF89a").decode(), [[2, 3], [12, 8]], "its mask is not a whole PNG"),
    "cut": (png(FULL)[:60], [[2, 3], [12, 8]], "its mask is not a whole PNG"),
    "no base64": ("*", [[2, 3], [12, 8]], "its mask is not base64"),
    "no mask": (None, [[2, 3], [12, 8]], "a mask without a PNG under 'mask'"),
    "colour": (png(FULL, "RGB"), [[2, 3], [12, 8]], "its mask is a PNG in colour"),
    "one corner": (png(FULL), [[2, 3]], "points are not the upper left and lower right corner of a mask"),
    "no corners": (png(FULL), 3, "points are not the upper left and lower right corner of a mask"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mask_is_refused(tmp_path, case):
    mask, points, message = WRONG[case]
    write_mask(tmp_path, mask, points)
    with pytest.raises(InputError, match=rf"a\.json: shape 1.*{message}") as raised:
        read(read_labelme, tmp_path)
    assert "\n" not in str(raised.value)


def boxes_of(tmp_path, kind, points):
    image = write_pixels(tmp_path / "a.png", noise(20, 30))
    return read_shapes(write_text(tmp_path / "a.json", labelme(20, 30, ("pit", kind, points))), image, AUTO).boxes


@pytest.mark.parametrize("kind", ["rectangle", "rotation", "quadrilateral", "oriented_rectangle"])
def test_four_corners(tmp_path, kind):
    for points in (FOUR, FOUR[::-1], [*FOUR, FOUR[0]], FOUR[1:] + FOUR[:1]):
        assert boxes_of(tmp_path, kind, points) == (Box(2, 3, 12, 8, "pit"),)


def test_a_rotated_box_is_filled_as_it_stands(tmp_path):
    diamond = [[10, 2], [18, 10], [10, 18], [2, 10]]
    image = write_pixels(tmp_path / "a.png", noise(20, 30))
    path = write_text(tmp_path / "a.json", labelme(20, 30, ("pit", "rotation", diamond)))
    ys, xs = np.mgrid[:20, :30] + 0.5
    truth = fill([polygon.corners for polygon in read_shapes(path, image, AUTO).polygons], 20, 30)
    distance = abs(xs - 10) + abs(ys - 10)
    assert truth[distance < 8].all() and not truth[distance > 8].any()


@pytest.mark.parametrize("change", [{"imageHeight": None, "imageWidth": None}, {"imageHeight": 20.0}, None])
def test_a_size_that_the_file_lacks_is_that_of_the_image(tmp_path, change):
    content = json.loads(labelme(20, 30, ("pit", "rectangle", [[2, 3], [30, 20]])))
    for key in ("imageHeight", "imageWidth") if change is None else ():
        del content[key]
    write_pixels(tmp_path / "a.png", noise(20, 30))
    write_text(tmp_path / "a.json", json.dumps(content | (change or {})))
    (image,) = read(read_labelme, tmp_path)
    assert image.boxes == (Box(2, 3, 30, 20, "pit"),)
    assert image.annotated_shape == ((20, 30) if change and change["imageHeight"] else None)


def test_a_shape_without_kind_is_a_polygon(tmp_path):
    for kind in ("null", None):
        text = labelme(20, 30, ("pit", "polygon", FOUR))
        text = text.replace('"polygon"', kind) if kind else text.replace('"shape_type": "polygon", ', "")
        image = write_pixels(tmp_path / "a.png", noise(20, 30))
        assert len(read_shapes(write_text(tmp_path / "a.json", text), image, AUTO).polygons) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_encodings_of_unicode_are_read(tmp_path, encoding):
    image = write_pixels(tmp_path / "a.png", noise(20, 30))
    (tmp_path / "a.json").write_bytes(labelme(20, 30, ("划\u3000痕", "polygon", FOUR)).encode(encoding))
    assert read_shapes(tmp_path / "a.json", image, AUTO).boxes[0].name == "划\u3000痕"
