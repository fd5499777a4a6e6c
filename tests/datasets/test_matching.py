"""Which file is whose: by name, by folders, and never by guessing."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.datasets.matching import in_mask_folder, masks_beside, match_annotations, match_masks, twins
from stages.runtime.errors import InputError

ROOT = Path("/data")


def annotations_of(images, files, root, across_parts=False):
    return match_annotations(images, files, root, across_parts)[0]


def match(images, files, way=annotations_of):
    found = way([ROOT / image for image in images], [ROOT / file for file in files], ROOT)
    return {
        image.relative_to(ROOT).as_posix(): "?" if isinstance(file, InputError) else file.relative_to(ROOT).as_posix()
        for image, file in found.items()
    }


PLACES = {
    "beside": ("a/x.jpg", "a/x.xml"),
    "two folders": ("images/x.jpg", "Annotations/x.xml"),
    "the same folders": ("images/Short/x.jpg", "Annotations/Short/x.xml"),
    "fewer folders": ("images/Short/x.jpg", "Annotations/x.xml"),
    "part first": ("train/images/x.jpg", "train/labels/x.txt"),
    "part last": ("images/train/x.jpg", "labels/train/x.txt"),
    "in any case": ("Images/TRAIN/x.jpg", "LABELS/train/x.txt"),
    "anywhere": ("images/day1/x.jpg", "annotations/batch2/x.xml"),
    "dots": ("images/cam1.2024-05.jpg", "annotations/cam1.2024-05.xml"),
}


@pytest.mark.parametrize("case", PLACES)
def test_where_an_annotation_may_lie(case):
    image, file = PLACES[case]
    assert match([image], [file]) == {image: file}


def test_what_a_name_alone_ties_together_is_said():
    images = [ROOT / name for name in ("images/day1/x.jpg", "images/day1/y.jpg", "a/z.jpg", "b/z.jpg")]
    files = [ROOT / name for name in ("annotations/batch2/x.xml", "annotations/day1/y.xml", "annotations/c/z.xml")]
    assert match_annotations(images, files, ROOT)[1] == [(images[0], files[0])]  # of z it cannot be told


def test_the_nearest_of_several_is_meant():
    files = ["x.xml", "Annotations/x.xml", "Annotations/Short/x.xml"]
    assert match(["images/Short/x.jpg"], files) == {"images/Short/x.jpg": "Annotations/Short/x.xml"}
    assert match(["images/Short/x.jpg"], [*files, "images/Short/x.xml"]) == {"images/Short/x.jpg": "images/Short/x.xml"}


def test_parts_keep_their_own():
    images = ["train/images/x.jpg", "valid/images/x.jpg"]
    assert match(images, ["train/labels/x.txt", "valid/labels/x.txt"]) == {
        "train/images/x.jpg": "train/labels/x.txt",
        "valid/images/x.jpg": "valid/labels/x.txt",
    }


def test_what_could_be_that_of_two_images_is_refused_for_both():
    assert match(["a/x.jpg", "b/x.jpg"], ["labels/x.txt"]) == {"a/x.jpg": "?", "b/x.jpg": "?"}
    assert match(["x.jpg", "x.png"], ["x.xml"]) == {"x.jpg": "?", "x.png": "?"}
    assert match(["images/x.jpg"], ["one/x.xml", "two/x.xml"]) == {"images/x.jpg": "?"}


def test_one_that_an_image_has_by_place_is_not_given_to_another():
    assert match(["a/x.jpg", "b/x.jpg"], ["a/x.xml"]) == {"a/x.jpg": "a/x.xml"}


def test_one_that_lies_among_other_images_is_not_anyones():
    """b/x.jpg was deleted and its XML was not: it says nothing about a/x.jpg or a/b/c/x.jpg."""
    assert match(["a/x.jpg", "b/y.jpg"], ["b/x.xml"]) == {}
    assert match(["b/a/x.jpg", "b/y.jpg"], ["b/x.xml"]) == {}
    assert match(["a/x.jpg", "b/y.jpg"], ["marks/x.xml"]) == {"a/x.jpg": "marks/x.xml"}


def test_many_files_of_one_name_take_no_time():
    images = [f"images/part{number}/1.jpg" for number in range(5000)]
    files = [image.replace("images", "labels").replace("jpg", "txt") for image in images]
    start = time.perf_counter()
    assert match(images, files) == dict(zip(images, files, strict=True))
    assert time.perf_counter() - start < 5


def test_masks_are_matched_by_place_alone():
    kinds = ["test/broken/000.png", "test/good/000.png"]
    assert match(kinds, ["ground_truth/broken/000_mask.png"], match_masks) == {
        "test/broken/000.png": "ground_truth/broken/000_mask.png"
    }
    assert match(["a/x.jpg"], ["b/x.png"], match_masks) == {}
    assert match(["a/x.jpg"], ["masks/x.png"], match_masks) == {"a/x.jpg": "masks/x.png"}


@pytest.mark.parametrize("ending", ["", "_mask", "_MASK", "-mask", "_gt"])
def test_endings_of_masks(ending):
    assert match(["a/x.jpg"], [f"masks/a/x{ending}.png"], match_masks) == {"a/x.jpg": f"masks/a/x{ending}.png"}


def test_masks_by_their_name_and_their_folder():
    files = [ROOT / name for name in ("x.jpg", "x_mask.png", "y_mask.png", "z.png", "sub/x_mask.png")]
    assert masks_beside(files) == {ROOT / "x_mask.png"}  # y_mask has no picture y
    assert in_mask_folder(ROOT / "Ground_Truth/a/x.png", ROOT)
    assert not in_mask_folder(ROOT / "a/masks.png", ROOT)


def test_twins_name_each_other():
    found = twins([ROOT / "x.jpg", ROOT / "x.png", ROOT / "y.jpg", ROOT / "a/x.jpg"])
    assert {path.name: str(error).split(";")[0] for path, error in found.items()} == {
        "x.jpg": "/data/x.jpg: x.png beside it has the same name but for its suffix",
        "x.png": "/data/x.png: x.jpg beside it has the same name but for its suffix",
    }


PATHS = st.lists(st.sampled_from(["images", "labels", "train", "a", "b"]), max_size=3)


@given(
    st.sets(st.tuples(PATHS.map(tuple), st.sampled_from("xy"))),
    st.sets(st.tuples(PATHS.map(tuple), st.sampled_from("xy"))),
)
def test_no_file_is_given_to_two_images(images, files):
    paths = [ROOT.joinpath(*folders, f"{name}.jpg") for folders, name in sorted(images)]
    annotations = [ROOT.joinpath(*folders, f"{name}.xml") for folders, name in sorted(files)]
    given = [file for file in annotations_of(paths, annotations, ROOT).values() if isinstance(file, Path)]
    assert len(given) == len(set(given))
    assert (
        annotations_of(paths[::-1], annotations[::-1], ROOT).keys() == annotations_of(paths, annotations, ROOT).keys()
    )


def test_an_annotation_of_another_part_is_not_anyones():
    image, annotation = ROOT / "train/images/1.jpg", ROOT / "valid/labels/1.txt"
    assert annotations_of([image], [annotation], ROOT) == {}
    assert annotations_of([image], [annotation], ROOT, across_parts=True) == {image: annotation}
