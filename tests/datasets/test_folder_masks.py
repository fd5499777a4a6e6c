"""Masks and annotations of a folder of one's own: where they may lie and how they may be called."""

import unicodedata

import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.labelled_folders import read_folder
from stages.runtime.errors import InputError
from tests.datasets.small_sets import read, voc, write_own, write_pixels, write_text


@pytest.mark.parametrize("place", ["masks/defective", "masks"])
def test_masks_by_place(tmp_path, place):
    write_own(tmp_path)
    masks = [
        write_pixels(tmp_path / place / f"{name}.png", np.zeros((20, 30), np.uint8)) for name in ("d2", "scratch/d1")
    ]
    images = read(read_folder, tmp_path)
    assert [image.mask for image in images] == [*masks, None]
    assert all(image.has_mask and image.label is None and image.boxes is None for image in images)
    masks[1].unlink()
    with pytest.raises(InputError, match=r"scratch/d1\.png: no mask; every image in defective/ needs one of its name"):
        read(read_folder, tmp_path)


def test_masks_beside_their_images(tmp_path):
    write_own(tmp_path)
    masks = [
        write_pixels(tmp_path / f"defective/{name}_mask.png", np.zeros((20, 30), np.uint8))
        for name in ("d2", "scratch/d1")
    ]
    good_mask = write_pixels(tmp_path / "good/g1_mask.png", np.zeros((20, 30), np.uint8))
    images = read(read_folder, tmp_path)
    assert [(image.source, image.mask) for image in images] == [
        ("defective/d2.png", masks[0]),
        ("defective/scratch/d1.png", masks[1]),
        ("good/g1.png", good_mask),
    ]
    masks[0].unlink()
    with pytest.raises(InputError, match=r"defective/d2\.png: no mask"):
        read(read_folder, tmp_path)


@pytest.mark.parametrize(
    "mask", ["masks/scratch/d1_mask.PNG", "Ground_Truth/scratch/d1.bmp", "defective/scratch/masks/d1.png"]
)
def test_places_and_names_of_masks(tmp_path, mask):
    write_own(tmp_path, defective=("scratch/d1",))
    path = tmp_path / mask
    write_pixels(path.with_suffix(path.suffix.lower()), np.zeros((20, 30), np.uint8)).rename(path)
    assert [image.mask for image in read(read_folder, tmp_path)] == [path, None]


def test_masks_that_nobody_can_match_are_not_ignored(tmp_path):
    write_own(tmp_path)
    write_pixels(tmp_path / "masks/mask_of_d1.png", np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match=r"no mask; every image in defective/.*\(1 masks, like .*mask_of_d1\.png\)"):
        read(read_folder, tmp_path)


def test_annotations_with_capital_suffix_and_stray_files(tmp_path):
    write_own(tmp_path)
    write_text(tmp_path / "defective/labels.json", "{}")
    assert {image.label for image in read(read_folder, tmp_path)} == {"good", "defective"}
    for name in ("scratch/d1", "d2"):
        write_text(tmp_path / f"defective/{name}.XML", voc(30, 20, (1, 1, 9, 9), name="dent"))
    assert [len(image.boxes) for image in read(read_folder, tmp_path)] == [1, 1, 0]


def test_names_with_composed_and_decomposed_accents_are_the_same(tmp_path):
    composed, apart = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    write_own(tmp_path, defective=(f"scratch/{apart}",))
    mask = write_pixels(tmp_path / f"masks/scratch/{composed}.png", np.zeros((20, 30), np.uint8))
    assert read(read_folder, tmp_path)[0].mask == mask


@pytest.mark.parametrize("place", ["gt", "label", "Mask", "defective/label"])
def test_a_folder_called_as_those_of_truths_is_no_kind_of_defect_and_said_to_be_none(tmp_path, place):
    write_own(tmp_path)
    write_pixels(tmp_path / place / "x1.png", np.zeros((20, 30), np.uint8))
    bad = BadFiles(skip=True)
    try:
        read(read_folder, tmp_path, bad)
    except InputError as error:
        bad.remark(str(error))
    assert f"{place}/ does not count as a kind of defect, since folders called so hold annotations or masks; " in str(
        bad.remarks
    )


def test_masks_in_use_need_no_word(tmp_path):
    write_own(tmp_path, defective=("scratch/d1",))
    write_pixels(tmp_path / "masks/scratch/d1.png", np.zeros((20, 30), np.uint8))
    bad = BadFiles()
    read(read_folder, tmp_path, bad)
    assert bad.remarks == ["good: good/; defective: defective/"]


def test_good_beside_such_a_folder_alone_is_no_data_set(tmp_path):
    for name in ("good/1.png", "label/2.png"):
        write_pixels(tmp_path / name, np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match=r"no folders good/ and .*; label/ does not count as a kind of defect, since"):
        read(read_folder, tmp_path)
