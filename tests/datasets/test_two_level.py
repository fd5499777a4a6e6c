"""Masks from black and white pairs: defects are found exactly, misaligned edges are not."""

import json

import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.deeppcb import read_deeppcb
from stages.datasets.images import Box
from stages.datasets.mask_files import UNCLEAR, read_derived
from stages.datasets.origin import describe_source, in_one_line
from stages.datasets.settings import Dataset
from stages.datasets.templates import attach_masks
from stages.datasets.truths import read_annotated
from stages.datasets.two_level import derive_from_pairs, two_level_mask
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, read, write_pair, write_pixels

WHOLE = Box(40, 30, 80, 90, "short")


def tracks():
    """Return a board, H W bool: white with black tracks across and one down, which tell a shift in both directions."""
    clean = np.ones((120, 160), bool)
    clean[20:32] = clean[52:64] = clean[84:96] = False
    clean[:, 100:112] = False
    return clean


def moved(clean, dy, dx):
    return np.pad(clean, 5, mode="edge")[5 + dy : 5 + dy + clean.shape[0], 5 + dx : 5 + dx + clean.shape[1]]


def marked(*areas):
    truth = np.zeros((120, 160), bool)
    for area in areas:
        truth[area] = True
    return truth


def test_a_hole_a_spot_and_a_bridge_are_found_to_the_pixel():
    clean = tracks()
    truth = marked(np.s_[55:60, 45:52], np.s_[70:76, 44:50], np.s_[64:84, 60:66])  # in copper, beside it, between two
    mask, unchanged = two_level_mask(clean ^ truth, clean, (WHOLE,))
    assert np.array_equal(mask, truth)
    assert unchanged == []


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (1, 0), (0, -2), (3, 3), (-3, 1)])
def test_a_template_that_lies_beside_the_image_changes_nothing(dy, dx):
    clean = tracks()
    truth = marked(np.s_[64:84, 60:66])
    mask, _ = two_level_mask(clean ^ truth, moved(clean, dy, dx), (WHOLE,))
    assert np.array_equal(mask, truth)


def test_edges_that_differ_by_two_pixels_alone_are_no_defect():
    clean = tracks()
    ragged = clean.copy()
    ragged[32:34, 41:79:3] = False  # black grows by two pixels here and there
    ragged[52, 40:80] = True
    mask, unchanged = two_level_mask(ragged, clean, (WHOLE,))
    assert not mask.any()
    assert unchanged == [WHOLE]


def test_a_bridge_over_four_pixels_needs_the_smaller_edge():
    clean = np.ones((120, 160), bool)
    clean[20:58] = clean[62:100] = False
    truth = marked(np.s_[58:62, 50:70])  # a shift by 2 px from each side would explain it
    mask, unchanged = two_level_mask(clean ^ truth, clean, (WHOLE,))
    assert np.array_equal(mask, truth)
    assert unchanged == []


def test_what_lies_outside_of_its_box_does_not_count():
    clean = tracks()
    truth = marked(np.s_[66:80, 60:90])
    mask, _ = two_level_mask(clean ^ truth, clean, (WHOLE,))
    assert np.array_equal(mask, truth & marked(np.s_[30:90, 40:80]))
    assert not two_level_mask(clean ^ truth, clean, ())[0].any()


def test_a_box_that_covers_the_picture_has_no_ring_to_align_by():
    clean = tracks()
    truth = marked(np.s_[66:80, 60:90])
    mask, _ = two_level_mask(clean ^ truth, clean, (Box(0, 0, 160, 120, "short"),))
    assert np.array_equal(mask, truth)


def derive(root, target, bad=None, **options):
    images = read(read_deeppcb, root, **options)
    return images, derive_from_pairs(images, target, 2, bad or BadFiles(), Dataset("deeppcb", str(root)))


def test_masks_on_disk_become_the_second_truth_and_a_box_without_change_is_unclear(tmp_path):
    path = write_pair(tmp_path / "in", "group1", "1", "10 6 20 16 3")
    write_pair(tmp_path / "in", "group1", "2")
    (path.parents[1] / "1_not/1.txt").write_text("10 6 20 16 3\n40 26 50 36 5\n")
    images, record = derive(tmp_path / "in", tmp_path / "masks")
    assert (record["images"], record["boxes"]) == (1, 2)
    assert record["boxes_without_change"] == {"group1/1/1_test.png": 1}
    attached, good = attach_masks(images, tmp_path / "masks", BadFiles())
    assert (good.mask, good.has_mask) == (None, True)
    defect, unclear = read_derived(tmp_path / "masks/1/1_test.png")
    expected = np.zeros((40, 60), bool)
    expected[7:15, 11:19] = True
    assert np.array_equal(defect, expected)
    assert unclear[26:36, 40:50].all() and unclear.sum() == 100
    assert UNCLEAR not in (0, 255)
    seen = read_annotated(attached)
    assert np.array_equal(seen.truths["exact"], expected)
    assert seen.truths["boxes"].sum() == 200


def test_the_download_stage_derives_them_unless_told_not_to(tmp_path):
    root = tmp_path / "in"
    write_pair(root, "group1", "1", "10 6 20 16 3")
    options = Dataset("deeppcb", str(root))
    record = describe_source(options, root, tmp_path / "out", tmp_path / "out", None, 1) | {"origin": "local copy"}
    assert "exact masks of 1 of 1 boxes" in in_one_line(record)
    assert (tmp_path / "out/masks/1/1_test.png").is_file()
    assert record["not_used"] == {}
    json.dumps(record)
    without = Dataset("deeppcb", str(root), derive_masks=False)
    assert "masks" not in describe_source(without, root, tmp_path / "other", tmp_path / "other", None, 1)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (np.zeros((41, 60), np.uint8), r"1_temp\.png: 60x41 px, but 1_test\.png has 60x40 px"),
        (np.zeros((40, 60), np.uint8), r"1_temp\.png: \d\d% of it differ from 1_test\.png, so it shows another place"),
        (noise(40, 60), r"1_temp\.png: \d\d% of it are grey.*set dataset\.derive_masks to false"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused_or_left_out(tmp_path, template, words):
    path = write_pair(tmp_path / "in", "group1", "1", "10 6 20 16 3")
    write_pixels(path.with_name("1_temp.png"), template)
    with pytest.raises(InputError, match=words):
        derive(tmp_path / "in", tmp_path / "masks")
    bad = BadFiles(skip=True)
    _, record = derive(tmp_path / "in", tmp_path / "masks", bad)
    assert (record["boxes"], [item["file"] for item in bad.skipped]) == (0, ["group1/1/1_test.png"])
