"""Files that no image uses, each with its reason."""

import numpy as np

from stages.datasets.labelled_folders import read_folder
from stages.datasets.unused import ANNOTATION, FORMAT, MASK, OTHER, PICTURE, counted, find_unused, in_words, listed
from stages.datasets.voc import read_boards
from tests.datasets.small_sets import noise, read, voc, write_board, write_pixels, write_text


def test_every_file_is_used_or_has_a_reason(tmp_path):
    write_board(tmp_path, "01_a", (1, 1, 9, 9))
    write_pixels(tmp_path / "masks/Short/01_a.png", np.zeros((40, 60), np.uint8))
    write_pixels(tmp_path / "PCB_USED/01.JPG", noise(4, 4))
    write_text(tmp_path / "SOURCE.json", "{}")
    others = {
        ANNOTATION: ["Annotations/Short/02_gone.XML"],
        FORMAT: ["rotation/1.gif"],
        "hidden": [".cache"],
        MASK: ["masks/Short/02_gone.png"],
        OTHER: ["readme.txt"],
        PICTURE: ["rotation/1.jpg"],
    }
    for names in others.values():
        for name in names:
            write_text(tmp_path / name, "")
    found = find_unused(tmp_path, read(read_boards, tmp_path), [], "PCB_USED", frozenset())
    assert found == others
    assert counted(found) == dict.fromkeys(others, 1)
    assert listed(found)[PICTURE] == {"files": 1, "first": ["rotation/1.jpg"]}
    assert in_words({PICTURE: 2, OTHER: 1}) == f"seen, not used: 3 (2 {PICTURE}, 1 {OTHER})"
    assert in_words({}) == ""


def test_a_record_holds_no_more_than_ten_names(tmp_path):
    for number in range(30):
        write_text(tmp_path / f"{number:02d}.txt", "")
    found = listed(find_unused(tmp_path, [], [], None, frozenset()))
    assert found == {OTHER: {"files": 30, "first": [f"{number:02d}.txt" for number in range(10)]}}


def test_images_left_out_and_files_about_all_images_are_not_listed_again(tmp_path):
    write_text(tmp_path / "images/x.jpg", "")
    write_text(tmp_path / "annotations/x.xml", voc(1, 1))
    write_text(tmp_path / "Classes.txt", "")
    skipped = [{"file": "images/x.jpg", "reason": "broken"}]
    assert find_unused(tmp_path, [], skipped, None, frozenset({"classes.txt"})) == {}


def test_folders_that_are_neither_good_nor_defective_are_seen(tmp_path):
    for name in ("good/1.png", "defective/2.png", "unsure/3.png"):
        write_pixels(tmp_path / name, noise(4, 4))
    found = find_unused(tmp_path, read(read_folder, tmp_path), [], None, frozenset())
    assert found == {PICTURE: ["unsure/3.png"]}


def test_a_picture_left_out_hides_none_of_its_name_elsewhere(tmp_path):
    for name in ("good/1.png", "unsure/1.png", "masks/good/1.png"):
        write_pixels(tmp_path / name, noise(4, 4))
    skipped = [{"file": "good/1.png", "reason": "broken"}]
    assert find_unused(tmp_path, [], skipped, None, frozenset()) == {PICTURE: ["unsure/1.png"]}


def test_the_mask_beside_an_image_left_out_is_not_listed_again(tmp_path):
    """As the magnetic tiles have it: x.png is the mask of x.jpg."""
    for name in ("MT_Uneven/Imgs/x.jpg", "MT_Uneven/Imgs/x.png", "MT_Fray/Imgs/x.png"):
        write_text(tmp_path / name, "")
    skipped = [{"file": "MT_Uneven/Imgs/x.jpg", "reason": "empty mask"}]
    assert find_unused(tmp_path, [], skipped, None, frozenset()) == {PICTURE: ["MT_Fray/Imgs/x.png"]}
