"""YOLO's text files: boxes and outlines by hand, names of classes, places, and one clear error for what is wrong."""

import numpy as np
import PIL.Image
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box, Polygon
from stages.datasets.rasters import fill
from stages.datasets.yolo import read_yolo
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, read, write_pixels, write_text

NAMES = "names: [pit, scratch]\n"


def write(root, text, image="images/a.png", label="labels/a.txt", names=NAMES):
    """Write an image of 30x20 px, its text (None: no file) and data.yaml."""
    if names is not None:
        write_text(root / "data.yaml", names)
    if text is not None:
        write_text(root / label, text)
    return write_pixels(root / image, noise(20, 30))


def test_boxes_in_fractions(tmp_path):
    write(tmp_path, "0 0.5 0.5 1 1\n1 0.233333 0.275 0.333333 0.25\n\n")  # 7, 5.5 px, 10 x 5 px
    (image,) = read(read_yolo, tmp_path)
    assert image.boxes == (Box(0, 0, 30, 20, "pit"), Box(2, 3, 12, 8, "scratch"))
    assert (image.defect_class, image.has_mask, image.label, image.annotated_shape) == ("", False, None, None)


def test_a_box_narrower_than_a_pixel_is_one_pixel(tmp_path):
    write(tmp_path, "0 0.5 0.5 0.001 0.001\n0 1 1 0.001 0.001\n")
    assert read(read_yolo, tmp_path)[0].boxes == (Box(14, 9, 15, 10, "pit"), Box(29, 19, 30, 20, "pit"))


def test_outlines_are_exact(tmp_path):
    write(tmp_path, "0 0.100003 0.1 0.5 0.1 0.5 0.599998 0.1 0.6\n1 0.9 0.1 1 0.1 1 0.9\n")
    (image,) = read(read_yolo, tmp_path)
    assert image.polygons[0] == Polygon(((3.0, 2.0), (15.0, 2.0), (15.0, 12.0), (3.0, 12.0)), "pit")
    assert image.boxes == (Box(3, 2, 15, 12, "pit"), Box(27, 2, 30, 18, "scratch"))
    assert image.has_mask
    assert fill([image.polygons[0].corners], 20, 30).sum() == 12 * 10


def test_boxes_and_outlines_together_are_boxes(tmp_path):
    write(tmp_path, "0 0.5 0.5 1 1\n0 0.1 0.1 0.5 0.1 0.5 0.6\n")
    write(tmp_path, "0 0.1 0.1 0.5 0.1 0.5 0.6\n", "images/b.png", "labels/b.txt")
    bad = BadFiles()
    images = read(read_yolo, tmp_path, bad)
    assert [(len(image.boxes), image.polygons, image.has_mask) for image in images] == [(2, (), False), (1, (), False)]
    assert bad.remarks == ["1 images have boxes without outlines, so no outline is used, only boxes"]


def test_an_empty_file_is_a_good_image_and_a_missing_one_is_not(tmp_path):
    write(tmp_path, "")
    assert read(read_yolo, tmp_path)[0].defect_class == "good"
    (tmp_path / "labels/a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.png: no annotation a\.txt.*a good image needs an empty text file"):
        read(read_yolo, tmp_path)
    assert read(read_yolo, tmp_path, unannotated="good")[0].defect_class == "good"


PLACES = {
    "images/train, labels/train": ("images/train/a.png", "labels/train/a.txt", "train"),
    "train/images, train/labels": ("test/images/a.png", "test/labels/a.txt", "test"),
    "side by side": ("obj_train_data/a.png", "obj_train_data/a.txt", None),
    "capitals": ("Images/Valid/a.png", "Labels/Valid/a.txt", "val"),
}


@pytest.mark.parametrize("case", PLACES)
def test_places(tmp_path, case):
    image, label, part = PLACES[case]
    write(tmp_path / "set", "0 0.5 0.5 1 1", image, label)
    (found,) = read(read_yolo, tmp_path)
    assert (found.source, found.official, len(found.boxes)) == (f"set/{image}", part, 1)


CLASSES = {
    "data.yaml": "train: ../train/images\nnc: 2\nnames: ['pit', 'scratch']\n",
    "data.yml": "names:\n  0: pit\n  1: scratch\n",
    "classes.txt": "pit\nscratch\n",
    "obj.names": "\ufeffpit\r\nscratch",
    "train/_darknet.labels": "pit\nscratch\n\n",
}


@pytest.mark.parametrize("name", CLASSES)
def test_names_of_classes(tmp_path, name):
    write(tmp_path, "1 0.5 0.5 1 1", names=None)
    write_text(tmp_path / name, CLASSES[name])
    assert read(read_yolo, tmp_path)[0].boxes[0].name == "scratch"


def test_two_lists_of_classes_must_agree(tmp_path):
    write(tmp_path, "1 0.5 0.5 1 1")
    write_text(tmp_path / "classes.txt", "pit\nscratch\n")
    assert read(read_yolo, tmp_path)[0].defect_class == "scratch"
    write_text(tmp_path / "classes.txt", "scratch\npit\n")
    with pytest.raises(InputError, match=r"data\.yaml: names the classes otherwise than .*classes\.txt"):
        read(read_yolo, tmp_path)


BAD_NAMES = {
    "none": (None, r"nothing names the classes \(1 images have a text file\); add data\.yaml or classes\.txt"),
    "no names": ("nc: 2", "names is neither a list of class names nor a mapping"),
    "a list": ("[1]", "no entry 'names'"),
    "no YAML": ("names: [", r"data\.yaml: not readable as a list of classes"),
    "a tag": ("names: !!python/object/apply:os.system ['x']", "not readable as a list of classes"),
    "deep": ("[" * 5000, "not readable as a list of classes"),
    "keypoints": ("kpt_shape: [17, 3]\nnames: [pit]", r"these are keypoints \(kpt_shape\)"),
    "names in numbers": ("names: {a: pit}", "names is neither"),
    "means good": ("names: [good]", "the name of class 0 is 'good', which cannot be a kind of defect"),
    "too few": ("names: []", "class '0' is not among those named .none"),
    "empty": ("names: ['']", "the name of class 0 is missing"),
}


@pytest.mark.parametrize("case", BAD_NAMES)
def test_wrong_names_are_refused(tmp_path, case):
    names, message = BAD_NAMES[case]
    write(tmp_path, "0 0.5 0.5 1 1", names=names)
    with pytest.raises(InputError, match=message) as raised:
        read(read_yolo, tmp_path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500


WRONG = {
    "pixels": ("0 100 0.5 1 1", "line 1: '100' is not a fraction from 0 to 1, which looks like pixels"),
    "negative": ("\n0 -0.1 0.5 1 1", "line 2: '-0.1' is not a fraction from 0 to 1;"),
    "nan": ("0 nan 0.5 1 1", "'nan' is not a fraction"),
    "a word": ("0 x 0.5 1 1", "'x' is not a fraction"),
    "outside": ("0 0.9 0.5 0.9 1", "corner 40.5, 20 is outside the image of 30x20 px"),
    "flat": ("0 0.5 0.5 0 0.1", "a box of 0 x 0.1 of the image"),
    "an unknown class": ("2 0.5 0.5 1 1", "class '2' is not among those named .0 to 1"),
    "a class in words": ("pit 0.5 0.5 1 1", "class 'pit' is not among those named"),
    "a fraction of a class": ("0.0 0.5 0.5 1 1", "class '0.0' is not among"),
    "too few": ("0 0.5 0.5 1", "4 numbers; expected 5 .a box. or 7, 9, 11"),
    "a confidence": ("0 0.5 0.5 1 1 0.9", "6 numbers, as predictions with a confidence have"),
    "an odd outline": ("0 0.1 0.1 0.5 0.1 0.5 0.6 0.4", "8 numbers; expected"),
    "no text": (b"\xff\xfe\x00\xd8", "not readable as text"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_is_refused(tmp_path, case):
    content, message = WRONG[case]
    write(tmp_path, "")
    (tmp_path / "labels/a.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"a\.txt: .*{message}") as raised:
        read(read_yolo, tmp_path)
    assert "\n" not in str(raised.value)


def test_six_digits_at_the_edge_are_inside(tmp_path):
    write(tmp_path, "0 0.0500003 0.5 0.1 1.000001")
    assert read(read_yolo, tmp_path)[0].boxes == (Box(0, 0, 3, 20, "pit"),)


def test_fractions_of_a_picture_stored_turned_are_of_its_stored_sides(tmp_path):
    exif = PIL.Image.Exif()
    exif[274] = 6  # stored 30 wide and 20 high, shown 20 wide and 30 high
    write(tmp_path, "0 0.5 0.25 1 0.5")
    (tmp_path / "images/a.png").unlink()
    PIL.Image.fromarray(noise(20, 30)).save(tmp_path / "images/a.jpg", exif=exif)
    assert read(read_yolo, tmp_path, exif="stored")[0].boxes == (Box(0, 0, 30, 10, "pit"),)
    assert read(read_yolo, tmp_path, exif="upright")[0].boxes == (Box(0, 0, 20, 15, "pit"),)


def test_pixels_are_the_same_whether_from_boxes_or_outlines():
    assert np.array_equal(
        fill([((2, 3), (12, 3), (12, 8), (2, 8))], 20, 30), np.pad(np.ones((5, 10), bool), ((3, 12), (2, 18)))
    )


def test_parts_that_are_not_read_and_files_of_another_folder_are_remarked(tmp_path):
    bad = BadFiles()
    write(
        tmp_path,
        "0 0.5 0.5 1 1\n",
        image="images/day1/a.png",
        label="labels/batch2/a.txt",
        names="train: images/day1\n" + NAMES,
    )
    read(read_yolo, tmp_path, bad=bad)
    assert bad.remarks == [
        "1 annotations lie in another folder than their image and were found by name alone: labels/batch2/a.txt for "
        "images/day1/a.png, ...",
        "data.yaml names parts by paths, which are not read; folders called train, val and test are",
    ]


def test_what_lies_in_its_place_needs_no_remark(tmp_path):
    bad = BadFiles()
    names = "train: train/images\n" + NAMES
    write(tmp_path, "0 0.5 0.5 1 1\n", image="train/images/a.png", label="train/labels/a.txt", names=names)
    assert read(read_yolo, tmp_path, bad=bad)[0].official == "train"
    assert bad.remarks == []
