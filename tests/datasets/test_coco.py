"""COCO's JSON: boxes, outlines and run lengths by hand, finding images, parts, and one clear error for each fault."""

import json

import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.coco import read_coco
from stages.datasets.images import Box, Polygon
from stages.datasets.rasters import fill
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, read, write_pixels, write_text
from tests.datasets.test_rasters import encode

TRIANGLE = [2, 3, 12, 3, 2, 18]
BOX = [2.0, 3.0, 10.0, 5.0]
# 20 rows, 30 columns: the pixels of column 1, rows 2 to 4, and of column 2, row 0
RUNS = {"size": [20, 30], "counts": [22, 3, 15, 1, 559]}


def coco(*annotations, images=("a.png",), **changes):
    """Return COCO's JSON; annotations are dicts, of image 1 and category 5 unless they say otherwise."""
    content = {
        "images": [
            {"id": number, "file_name": name, "height": 20, "width": 30} for number, name in enumerate(images, 1)
        ],
        "categories": [{"id": 5, "name": "pit"}, {"id": 6, "name": "scratch"}, {"id": 7, "name": "OK"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 5} | annotation
            for number, annotation in enumerate(annotations, 1)
        ],
    }
    return json.dumps(content | changes)


def write(root, text, *images):
    write_text(root / "annotations.json", text)
    for number, name in enumerate(images or ("a.png",)):
        write_pixels(root / name, noise(20, 30, number))


def test_outlines_boxes_and_good_images(tmp_path):
    text = coco(
        {"segmentation": [TRIANGLE], "bbox": BOX},
        {"image_id": 3, "category_id": 6, "segmentation": [TRIANGLE, [20, 1, 29, 1, 29, 9]]},
        images=("a.png", "b.png", "c.png"),
    )
    write(tmp_path, text, "a.png", "b.png", "c.png", "not_listed.png")
    a, b, c = read(read_coco, tmp_path)
    corners = ((2.0, 3.0), (12.0, 3.0), (2.0, 18.0))
    assert (a.polygons, a.boxes, a.defect_class) == ((Polygon(corners, "pit"),), (Box(2, 3, 12, 18, "pit"),), "pit")
    assert (b.polygons, b.boxes, b.defect_class, b.has_mask) == ((), (), "good", True)
    assert ([len(c.polygons), len(c.boxes)], c.defect_class) == ([2, 2], "scratch")
    assert (a.annotated_shape, a.label, a.mask, a.annotation) == ((20, 30), None, None, tmp_path / "annotations.json")


@pytest.mark.parametrize("counts", [RUNS["counts"], encode(RUNS["counts"])])
def test_run_lengths(tmp_path, counts):
    write(tmp_path, coco({"segmentation": RUNS | {"counts": counts}, "iscrowd": 1}))
    (image,) = read(read_coco, tmp_path)
    assert np.argwhere(fill([], 20, 30, image.bitmaps)).tolist() == [[0, 2], [2, 1], [3, 1], [4, 1]]
    assert (image.boxes, image.has_mask) == ((Box(1, 0, 3, 5, "pit"),), True)


def test_boxes_alone_are_no_exact_truth(tmp_path):
    write(tmp_path, coco({"bbox": [2.2, 3.4, 9.9, 5.0]}, {"bbox": [0, 0, 30, 20], "segmentation": []}))
    bad = BadFiles()
    (image,) = read(read_coco, tmp_path, bad)
    assert image.boxes == (Box(2, 3, 12, 8, "pit"), Box(0, 0, 30, 20, "pit"))
    assert (image.has_mask, image.polygons, bad.remarks) == (False, (), [])


def test_outlines_of_some_are_no_truth_for_all(tmp_path):
    text = coco({"bbox": BOX}, {"image_id": 2, "segmentation": [TRIANGLE]}, images=("a.png", "b.png"))
    write(tmp_path, text, "a.png", "b.png")
    bad = BadFiles()
    images = read(read_coco, tmp_path, bad)
    assert [(image.has_mask, image.polygons, len(image.boxes)) for image in images] == [(False, (), 1)] * 2
    assert bad.remarks == ["1 images have boxes without outlines, so no outline is used, only boxes"]


def test_parts_with_a_json_in_each(tmp_path):
    """Roboflow's export: the same names in every part."""
    for part in ("train", "valid", "test"):
        write_text(tmp_path / part / "_annotations.coco.json", coco({"segmentation": [TRIANGLE]}))
        write_pixels(tmp_path / part / "a.png", noise(20, 30))
    images = read(read_coco, tmp_path)
    assert [(image.source, image.official) for image in images] == [
        ("test/a.png", "test"),
        ("train/a.png", "train"),
        ("valid/a.png", "val"),
    ]


@pytest.mark.parametrize("folder", ["{}", "images/{}2017", "images"])
def test_parts_by_the_name_of_the_json(tmp_path, folder):
    for part in ("train", "val"):
        name = f"{part}.png" if folder == "images" else "a.png"
        write_text(tmp_path / f"annotations/instances_{part}2017.json", coco({"bbox": BOX}, images=(name,)))
        write_pixels(tmp_path / folder.format(part) / name, noise(20, 30))
    assert sorted(image.official for image in read(read_coco, tmp_path)) == ["train", "val"]


@pytest.mark.parametrize("name", ["images/a.png", "..\\images\\a.png", "/home/me/images/a.png", "a.png", "../../a.png"])
def test_the_place_of_an_image_is_looked_up_below_the_root_alone(tmp_path, name):
    write_pixels(tmp_path / "a.png", noise(20, 30))
    write_text(tmp_path / "root/annotations/x.json", coco({"bbox": BOX}, images=(name,)))
    write_pixels(tmp_path / "root/images/a.png", noise(20, 30))
    assert [image.path for image in read(read_coco, tmp_path / "root")] == [tmp_path / "root/images/a.png"]


def test_folders_in_the_name_decide(tmp_path):
    write(tmp_path, coco({"bbox": BOX}, images=("one/a.png", "two/a.png")), "one/a.png", "two/a.png")
    assert [image.defect_class for image in read(read_coco, tmp_path)] == ["pit", "good"]


def test_a_missing_image_can_be_left_out(tmp_path):
    write(tmp_path, coco({"bbox": BOX}, images=("gone.png", "b.png")), "b.png")
    with pytest.raises(InputError, match=r"annotations\.json: lists 'gone\.png', which is not there"):
        read(read_coco, tmp_path)
    bad = BadFiles(skip=True)
    assert [image.source for image in read(read_coco, tmp_path, bad)] == ["b.png"]
    assert [item["file"] for item in bad.skipped] == ["gone.png"]


def test_a_json_of_something_else_is_no_data_set(tmp_path):
    write(tmp_path, '{"images": 3}')
    with pytest.raises(
        InputError, match=r"no JSON file in COCO's format, with .*\(.*annotations\.json has none of these\)"
    ):
        read(read_coco, tmp_path)
    write_text(tmp_path / "real.json", coco({"bbox": BOX}))
    assert len(read(read_coco, tmp_path)) == 1


def test_two_that_list_the_same_image_are_named(tmp_path):
    write(tmp_path, coco({"bbox": BOX}))
    write_text(tmp_path / "other.json", coco())
    with pytest.raises(InputError, match=r"a\.png: listed twice, by .*annotations\.json and .*other\.json"):
        read(read_coco, tmp_path)


def outline(*numbers):
    return coco({"segmentation": [list(numbers)]})


def runs(**changes):
    return coco({"segmentation": RUNS | changes})


WRONG = {
    "cut": (coco()[:-5], r"annotations\.json: not readable as JSON"),
    "no lists": (coco(images=()).replace('"images": []', '"images": {}'), "are not lists of objects"),
    "not objects": (coco(images=()).replace('"images": []', '"images": [1]'), "are not lists of objects"),
    "an image twice": (coco(images=("a.png", "b.png")).replace('"id": 2', '"id": 1', 1), "image 1 stands there twice"),
    "no file name": (coco(images=("",)), "image 1 stands there twice or has no file_name"),
    "an id in text": (coco().replace('"id": 1', '"id": "1"', 1), "images: id is '1', not a whole number"),
    "a category twice": (coco().replace('"id": 6', '"id": 5'), "category 5 stands there twice"),
    "no image": (coco({"image_id": 9, "bbox": BOX}), "annotation 1: image_id 9 is not among the images"),
    "no category": (coco({"category_id": 9, "bbox": BOX}), "annotation 1: category_id 9 is not among the categories"),
    "means good": (coco({"category_id": 7, "bbox": BOX}), "its category is 'OK', which cannot be a kind of defect"),
    "no box": (coco({}), "annotation 1: bbox is not x, y, width, height"),
    "three numbers": (coco({"bbox": [1, 2, 3]}), "bbox is not x, y, width, height"),
    "text": (coco({"bbox": ["1", 2, 3, 4]}), "bbox is not x, y, width, height"),
    "true": (coco({"bbox": [True, 2, 3, 4]}), "bbox is not x, y, width, height"),
    "overflow": (coco({"bbox": BOX}).replace("10.0", "1e400"), "bbox is not x, y, width, height"),
    "flat": (coco({"bbox": [1, 2, 0, 4]}), "bbox is 0 px wide and 4 px high"),
    "corners": (coco({"bbox": [25, 3, 30, 8]}), "corner 55, 11 is outside the image of 30x20 px"),
    "outside": (coco({"bbox": [25, 3, 7, 8]}), "corner 32, 11 is outside the image of 30x20 px"),
    "negative": (coco({"bbox": [-2, 3, 7, 8]}), "corner -2, 3 is outside"),
    "outline outside": (outline(1, 1, 40, 1, 1, 9), "corner 40, 1 is outside the image of 30x20 px"),
    "two corners": (outline(1, 1, 9, 9), "segmentation are not the corners of a polygon"),
    "odd": (outline(1, 1, 9, 9, 3), "segmentation are not the corners of a polygon"),
    "a number": (coco({"segmentation": 3}), "segmentation are not the corners of a polygon"),
    "a size": (coco().replace('"height": 20', '"height": -20'), "image 1: height and width: '-20' is not a number"),
    "runs of another size": (runs(size=[30, 20]), r"are of size \[30, 20\] but the image is \[20, 30\]"),
    "runs too long": (runs(counts=[601]), "its run lengths are wrong .they cover 601 of 600 pixels"),
    "runs of nothing": (runs(counts=[600]), "its run lengths mark nothing"),
    "runs below 0": (runs(counts=[-1, 601]), "its run lengths are wrong"),
    "runs in words": (runs(counts=[1.5]), "counts is neither text nor a list of whole numbers"),
    "no runs": (runs(counts=None), "counts is neither text nor a list of whole numbers"),
    "a bad letter": (runs(counts="é"), "its run lengths are wrong .'é' is not in the code"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused(tmp_path, case):
    text, message = WRONG[case]
    write(tmp_path, text)
    with pytest.raises(InputError, match=rf"annotations\.json.*{message}|{message}") as raised:
        read(read_coco, tmp_path)
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value) and len(str(raised.value)) < 500


def test_a_size_that_is_not_given_is_that_of_the_image(tmp_path):
    write(tmp_path, coco({"bbox": [0, 0, 30, 20]}).replace('"height": 20, "width": 30', '"height": null'))
    (image,) = read(read_coco, tmp_path)
    assert (image.annotated_shape, image.boxes) == (None, (Box(0, 0, 30, 20, "pit"),))


def test_a_header_that_claims_anything_takes_no_memory(tmp_path):
    claims = coco({"segmentation": {"size": [10**6, 10**6], "counts": [0, 10**12]}})
    write(tmp_path, claims.replace('"height": 20, "width": 30', '"height": 1000000, "width": 1000000'))
    with pytest.raises(InputError, match="1000000x1000000 px are more than"):
        read(read_coco, tmp_path)


def test_an_image_of_another_folder_does_not_stand_for_a_missing_one(tmp_path):
    write(tmp_path, coco({"bbox": BOX}, images=("dent/1.png", "dent/2.png")), "scratch/1.png", "dent/2.png")
    with pytest.raises(InputError, match=r"lists 'dent/1.png', which is not there; .*scratch/1.png is another one"):
        read(read_coco, tmp_path)
    bad = BadFiles(skip=True)
    assert [image.source for image in read(read_coco, tmp_path, bad=bad)] == ["dent/2.png"]
    assert [item["file"] for item in bad.skipped] == ["dent/1.png"]


def test_an_image_of_another_part_does_not_stand_for_a_missing_one(tmp_path):
    for part in ("train", "valid"):
        write_text(tmp_path / f"{part}/_annotations.coco.json", coco({"bbox": BOX}, images=("1.png", "2.png")))
        write_pixels(tmp_path / f"{part}/2.png", noise(20, 30))
    write_pixels(tmp_path / "valid/1.png", noise(20, 30, 1))
    bad = BadFiles(skip=True)
    images = read(read_coco, tmp_path, bad=bad)
    assert [(image.source, image.annotation.parent.name) for image in images] == [
        ("train/2.png", "train"),
        ("valid/1.png", "valid"),
        ("valid/2.png", "valid"),
    ]
    assert len(bad.skipped) == 1


def test_first_folders_that_are_others_for_all_are_passed_over(tmp_path):
    names = ("/home/me/a/1.png", "/home/me/b/c/1.png")
    write(tmp_path, coco({"bbox": BOX}, images=names), "a/1.png", "b/c/1.png")
    assert [bool(image.boxes) for image in read(read_coco, tmp_path)] == [True, False]


def test_a_picture_in_a_format_that_is_not_read_is_there(tmp_path):
    write(tmp_path, coco({"bbox": BOX}, images=("a.png", "b.heic")))
    write_text(tmp_path / "b.heic", "x")
    assert [image.source for image in read(read_coco, tmp_path)] == ["a.png", "b.heic"]
