"""Polygons: masks against an independent test of points, boxes by hand, labelme's and other key names, bad files."""

import json
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.datasets.images import Box, Polygon
from stages.datasets.json_shapes import CIRCLE_ERROR_PX
from stages.datasets.labelme import GID, read_gid, read_labelme, read_shapes
from stages.datasets.marks import bounds
from stages.datasets.rasters import fill
from stages.datasets.settings import AnnotationKeys, Dataset
from stages.datasets.truths import AUTO
from stages.runtime.errors import InputError
from tests.datasets.small_sets import labelme, noise, read, write_pixels, write_text

TRIANGLE = [[2.0, 3.0], [12.0, 3.0], [2.0, 18.0]]


def write_annotated(root, stem, *shapes, height=20, width=30, seed=0):
    write_text(root / f"{stem}.json", labelme(height, width, *shapes))
    return write_pixels(root / f"{stem}.png", noise(height, width, seed))


def polygons_of(tmp_path, *shapes, **keys):
    image = write_annotated(tmp_path, "a", *shapes)
    return read_shapes(tmp_path / "a.json", image, Dataset("", None, keys=AnnotationKeys(**keys))).polygons


def filled(polygons, height=20, width=30):
    return fill([polygon.corners for polygon in polygons], height, width)


def test_a_labelme_file(tmp_path):
    write_annotated(tmp_path, "a", ("pit", "polygon", TRIANGLE))
    (image,) = read(read_labelme, tmp_path)
    assert (image.source, image.group, image.defect_class, image.label) == ("a.png", "a.png", "pit", None)
    assert image.polygons == (Polygon(((2.0, 3.0), (12.0, 3.0), (2.0, 18.0)), "pit"),)
    assert image.boxes == (Box(2, 3, 12, 18, "pit"),)
    assert (image.annotated_shape, image.has_mask, image.mask) == ((20, 30), True, None)


def test_an_image_without_shapes_is_good_and_mixed_kinds_are_left_to_the_tile(tmp_path):
    write_annotated(tmp_path, "a")
    write_annotated(tmp_path, "b", ("pit", "polygon", TRIANGLE), ("scratch", "rectangle", [[1, 1], [3, 3]]))
    good, mixed = read(read_labelme, tmp_path)
    assert (good.defect_class, good.boxes, good.has_mask) == ("good", (), True)
    assert not good.polygons
    assert (mixed.defect_class, [box.name for box in mixed.boxes]) == ("", ["pit", "scratch"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 20)), min_size=3, max_size=8))
def test_a_mask_holds_the_pixels_whose_centre_is_inside(corners):
    ys, xs = np.mgrid[:20, :30] + 0.5
    centres = np.stack([xs.ravel(), ys.ravel()], axis=1)
    outline = np.array([*corners, corners[0]])
    # the winding number by another way: the sum of the angles under which a centre sees the edges, odd turns inside
    towards = outline[None] - centres[:, None]
    angles = np.arctan2(towards[..., 1], towards[..., 0])
    steps = (np.diff(angles, axis=1) + np.pi) % (2 * np.pi) - np.pi
    turns = np.abs(steps.sum(axis=1)) / (2 * np.pi)
    sure = np.array([abs(cv2.pointPolygonTest(outline.astype(np.float32), tuple(c), True)) > 1e-3 for c in centres])
    inside = (np.round(turns).astype(int) % 2 == 1).reshape(20, 30)
    sure = sure.reshape(20, 30)
    if (inside & sure).any():  # else it may be a hair
        assert (filled([Polygon(tuple(corners), "pit")]) == inside)[sure].all()


def test_a_rectangle_covers_its_area_exactly(tmp_path):
    (box,) = polygons_of(tmp_path, ("pit", "rectangle", [[5, 7], [2, 3]]))
    assert np.argwhere(filled([box])).min(0).tolist() == [3, 2]
    assert np.argwhere(filled([box])).max(0).tolist() == [6, 4]
    assert filled([box]).sum() == 12


def test_a_hair_marks_the_pixels_that_it_runs_through():
    hair = Polygon(((3.1, 5.1), (8.1, 5.1), (8.1, 5.2), (3.1, 5.2)), "crack")
    assert np.argwhere(filled([hair])).tolist() == [[5, x] for x in range(3, 9)]
    assert np.argwhere(filled([Polygon(((30.0, 20.0),) * 3, "pit")])).tolist() == [[19, 29]]


def test_overlapping_polygons_add_up():
    square, other = (Polygon(((a, a), (a + 8, a), (a + 8, a + 8), (a, a + 8)), "pit") for a in (1, 4))
    assert np.array_equal(filled([square, other]), filled([square]) | filled([other]))


def test_a_whole_image_and_a_corner_on_its_edge(tmp_path):
    (whole,) = polygons_of(tmp_path, ("pit", "rectangle", [[30, 20], [0, 0]]))
    assert filled([whole]).all()
    assert bounds(whole) == Box(0, 0, 30, 20, "pit")
    (beyond,) = polygons_of(tmp_path, ("pit", "rectangle", [[-0.7, -1], [30.9, 21]]))
    assert bounds(beyond) == Box(0, 0, 30, 20, "pit")


def test_a_flat_polygon_has_a_box_of_one_pixel():
    assert bounds(Polygon(((30.0, 5.0), (30.0, 5.0), (30.0, 7.5)), "pit")) == Box(29, 5, 30, 8, "pit")
    assert bounds(Polygon(((0.0, 0.0),) * 3, "pit")) == Box(0, 0, 1, 1, "pit")


@pytest.mark.parametrize("radius", [0.1, 0.5, 5.0, 9.5])
def test_a_circle_is_round_to_a_sixteenth_of_a_pixel(tmp_path, radius):
    (circle,) = polygons_of(tmp_path, ("pit", "circle", [[15, 10], [15 + radius, 10]]))
    corners = np.array(circle.corners)
    assert np.allclose(np.hypot(*(corners - (15, 10)).T), radius)
    middles = (corners + np.roll(corners, 1, axis=0)) / 2
    assert (np.hypot(*(middles - (15, 10)).T) >= radius - CIRCLE_ERROR_PX - 1e-9).all()


def test_a_circle_at_the_edge_is_cut_off(tmp_path):
    (circle,) = polygons_of(tmp_path, ("pit", "circle", [[1, 10], [6, 10]]))
    assert bounds(circle) == Box(0, 5, 6, 15, "pit")
    ys, xs = np.mgrid[:20, :30] + 0.5
    distance = np.hypot(xs - 1, ys - 10)
    mask = filled([circle])
    assert mask[distance < 4.93].all()
    assert not mask[distance > 5].any()


def test_the_annotation_may_lie_in_another_folder(tmp_path):
    write_pixels(tmp_path / "data/a.png", noise(20, 30))
    write_text(tmp_path / "label/a.json", labelme(20, 30, ("pit", "polygon", TRIANGLE)))
    (image,) = read(read_labelme, tmp_path)
    assert (image.source, image.defect_class) == ("data/a.png", "pit")


def test_groups_by_a_pattern_of_names(tmp_path):
    for stem in ("01_200902_585_090_crop_2", "01_200908_585_090_crop_1", "KGT1-S-121_crop_0"):
        write_annotated(tmp_path, stem)
    images = read(read_labelme, tmp_path, group_pattern=r"_(\d+_\d+)_crop|(KGT\d+)")
    assert [image.group for image in images] == ["585_090", "585_090", "KGT1"]
    with pytest.raises(InputError, match=r"KGT1.*dataset\.group_pattern '_\(\\\\d\+\)_' does not occur"):
        read(read_labelme, tmp_path, group_pattern=r"_(\d+)_")


def test_an_image_without_annotation_is_good_only_when_the_user_says_so(tmp_path):
    write_pixels(tmp_path / "a.png", noise(20, 30))
    with pytest.raises(InputError, match=r"a\.png: no annotation a\.json, so nothing says that it is good"):
        read(read_labelme, tmp_path)
    (image,) = read(read_labelme, tmp_path, unannotated="good")
    assert (image.defect_class, image.has_mask, image.annotated_shape) == ("good", True, None)


def test_which_annotation_is_meant_is_not_guessed(tmp_path):
    for folder in ("one", "two"):
        write_text(tmp_path / folder / "a.json", labelme(20, 30))
    write_pixels(tmp_path / "a.png", noise(20, 30))
    with pytest.raises(InputError, match=r"a\.png: 2 files could belong to it \(.*one/a\.json, .*two/a\.json\)"):
        read(read_labelme, tmp_path)
    (tmp_path / "one/a.json").unlink()
    write_pixels(tmp_path / "three/a.png", noise(20, 30))
    with pytest.raises(InputError, match=r"two/a\.json could belong to it or to .*a\.png"):
        read(read_labelme, tmp_path)


def test_gid_with_the_names_that_are_guessed_and_with_others(tmp_path):
    write_pixels(tmp_path / "g.jpg", noise(20, 30))
    flat = [number for corner in TRIANGLE for number in corner]
    defects = [{"category": 2, "segmentation": [flat]}, {"category": 2, "segmentation": flat}]
    write_text(tmp_path / "g.json", json.dumps(defects))
    (image,) = read(read_gid, tmp_path)
    assert image.polygons == (Polygon(tuple(map(tuple, TRIANGLE)), "2"),) * 2
    assert image.annotated_shape is None
    write_text(tmp_path / "g.json", json.dumps(defects[0]))
    assert read(read_gid, tmp_path)[0].defect_class == "2"
    write_text(tmp_path / "g.json", json.dumps({"objects": [{"id": 3, "outline": TRIANGLE}]}))
    own = AnnotationKeys(shapes="objects", label="id", points="outline")
    assert read(read_gid, tmp_path, keys=own)[0].defect_class == "3"
    with pytest.raises(InputError, match=r"g\.json: shape 1 has no 'category'.*dataset\.keys"):
        read(read_gid, tmp_path)


def test_a_defect_of_two_outlines(tmp_path):
    write_pixels(tmp_path / "g.jpg", noise(20, 30))
    parts = [[1, 1, 5, 1, 5, 5], [10, 10, 15, 10, 15, 15]]
    write_text(tmp_path / "g.json", json.dumps([{"category": 1, "segmentation": parts}]))
    found = read_shapes(tmp_path / "g.json", tmp_path / "g.jpg", AUTO, GID)
    assert [polygon.corners[0] for polygon in found.polygons] == [(1.0, 1.0), (10.0, 10.0)]
    assert found.shape is None


def one(points, kind="polygon", label="pit"):
    return labelme(20, 30, (label, kind, points))


WRONG = {
    "empty": ("", "not readable as JSON"),
    "cut": (one(TRIANGLE)[:-9], "not readable as JSON"),
    "not a number": (one(TRIANGLE).replace("12.0", "NaN"), "not readable as JSON .NaN is not a number"),
    "infinite": (one(TRIANGLE).replace("12.0", "Infinity"), "not readable as JSON"),
    "overflow": (one(TRIANGLE).replace("12.0", "1e400"), "points are not the corners of a polygon"),
    "thousands of digits": (one(TRIANGLE).replace("12.0", "9" * 5000), "not readable as JSON"),
    "hundreds of digits": (one(TRIANGLE).replace("12.0", "9" * 500), "points are not the corners"),
    "huge": (one([[1e8, 1], [2, 3], [4, 5]]), r"corner 1e\+08, 1 is outside the image of 30x20 px"),
    "negative": (one([[-2, 1], [2, 3], [4, 5]]), "corner -2, 1 is outside"),
    "true": (one([[True, 1], [2, 3], [4, 5]]), "points are not the corners"),
    "text": (one([["1", 1], [2, 3], [4, 5]]), "points are not the corners"),
    "two corners": (one([[1, 1], [2, 3]]), "points are not the corners of a polygon"),
    "three of a rectangle": (one(TRIANGLE, "rectangle"), "points are not the corners of a rectangle"),
    "odd": (one([1, 2, 3, 4, 5]), "points are not the corners"),
    "ragged": (one([[1, 2], [3]]), "points are not the corners"),
    "no points": (one([]), "points are not the corners"),
    "an object": (one({"x": 1}), "points are not the corners"),
    "a point": (one([[1, 1]], "point"), "shape 1 is a 'point', which has no area"),
    "no kind": (one(TRIANGLE).replace('"polygon"', "[]"), r"shape 1 is a \[\], which has no area"),
    "no label": (one(TRIANGLE, label=" "), "shape 1: label is missing"),
    "good": (one(TRIANGLE, label="good"), "'good', which cannot be a kind of defect"),
    "unprintable": (one(TRIANGLE, label="\ud800\n"), "cannot be a kind of defect"),
    "half a label": (one(TRIANGLE).replace('"pit"', "1.5"), "label is neither text nor a whole number"),
    "a list": ("[]", "the file is not an object"),
    "a number": ("3", "the file is not an object"),
    "shapes": ('{"imageHeight": 20, "imageWidth": 30, "shapes": 3}', "shapes is not a list"),
    "shape": ('{"imageHeight": 20, "imageWidth": 30, "shapes": [3]}', "shape 1 is not an object"),
    "wide": (one(TRIANGLE).replace(": 30", ": 1e9"), "imageHeight and imageWidth: '1000000000.0' is not a number of"),
    "half a pixel": (one(TRIANGLE).replace(": 30", ": 30.5"), "'30.5' is not a number of pixels"),
    "a size in text": (one(TRIANGLE).replace(": 30", ': "30"'), "'30' is not a number of pixels"),
    "too many pixels": (one(TRIANGLE).replace(": 30", ": 99999999"), "99999999x20 px are more than"),
    "no extent": (one([[4, 5], [4, 5]], "rectangle"), "all its points are one, as an accidental click leaves it"),
    "a line": (one([[1, 1], [9, 9]], "line"), "is a 'line', which has no area"),
    "a cuboid": (one(TRIANGLE, "cuboid"), "is a 'cuboid', which has no area"),
    "five corners": (one([*TRIANGLE, [1, 2], [3, 4]], "rotation"), "points are not the corners of a rotation"),
    "four, not upright": (
        one([[1, 1], [9, 2], [9, 9], [1, 8]], "rectangle"),
        "points are not the corners of a rectangle",
    ),
    "OK": (one(TRIANGLE, label="OK"), "label is 'OK', which cannot be a kind of defect because it means good"),
    "GBK": (one(TRIANGLE, label="X").encode().replace(b"X", "划痕".encode("gbk")), "not UTF-8 but seems to be GBK"),
    "deep": ("[" * 200_000, "not readable as JSON"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_annotation_is_refused(tmp_path, case):
    content, message = WRONG[case]
    write_pixels(tmp_path / "wrong.png", noise(20, 30))
    (tmp_path / "wrong.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"wrong\.json: .*{message}") as raised:
        read(read_labelme, tmp_path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_too_many_corners_and_too_large_a_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.datasets.marks.MAX_CORNERS", 5)
    with pytest.raises(InputError, match="more than 5 corners in one image"):
        polygons_of(tmp_path, ("pit", "polygon", TRIANGLE), ("pit", "polygon", TRIANGLE))
    monkeypatch.setattr("stages.datasets.labelme.MAX_JSON_BYTES", 50)
    with pytest.raises(InputError, match=r"a\.json: the annotation has \d+ bytes, more than 50"):
        polygons_of(tmp_path, ("pit", "polygon", TRIANGLE))


def test_what_the_file_says_of_other_files_is_not_used(tmp_path):
    image = write_pixels(tmp_path / "a.png", noise(20, 30))
    content = json.loads(labelme(20, 30)) | {"imagePath": "../../etc/passwd", "imageData": "bm8gaW1hZ2U="}
    write_text(tmp_path / "a.json", json.dumps(content))
    assert read(read_labelme, tmp_path)[0].path == image


def test_no_key_that_every_shape_needs_may_be_missing():
    with pytest.raises(InputError, match=r"dataset\.keys\.points is empty"):
        AnnotationKeys(points="")


def test_a_missing_root_is_refused(tmp_path):
    for reader in (read_labelme, read_gid):
        with pytest.raises(InputError, match=r"nowhere: is not there; set dataset\.root"):
            read(reader, tmp_path / "nowhere")
    with pytest.raises(InputError, match="no images"):
        read(read_labelme, tmp_path)


def test_the_area_of_a_circle():
    radius = 60.0
    corners = [(75 + radius * math.cos(k / 50), 75 + radius * math.sin(k / 50)) for k in range(315)]
    area = filled([Polygon(tuple(corners), "pit")], 150, 150).sum()
    assert area == pytest.approx(math.pi * radius**2, rel=0.002)
