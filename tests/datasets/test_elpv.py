"""ELPV: labels by threshold, and the list of labels that is checked line by line."""

import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.elpv import package_folder, read_elpv
from stages.runtime.errors import InputError
from tests.datasets.small_sets import noise, read, write_pixels, write_text

LINES = """images/cell0001.png  1.0                 mono
images/cell0002.png  0.0                 poly
images/cell0003.png  0.3333333333333333  mono

images/cell0004.png  0.6666666666666666  poly
"""


def write_cells(root, lines=LINES):
    for number in range(1, 5):
        write_pixels(root / f"images/cell000{number}.png", noise(6, 6, number))
    write_text(root / "labels.csv", lines)


@pytest.mark.parametrize(("threshold", "defective"), [(0.5, [1, 4]), (0.3, [1, 3, 4]), (0.0, [1, 3, 4]), (0.7, [1])])
def test_a_cell_is_defective_above_the_threshold(tmp_path, threshold, defective):
    write_cells(tmp_path / "data")
    images = read(read_elpv, tmp_path, defect_probability=threshold)
    assert [image.source for image in images] == [f"images/cell000{number}.png" for number in range(1, 5)]
    assert [number for number, image in enumerate(images, 1) if image.label == "defective"] == defective
    assert {image.defect_class for image in images if image.label == "defective"} == {"cell_defect"}
    assert all(image.group == image.source and image.boxes is None and not image.has_mask for image in images)


WRONG = {
    "a word": (LINES.replace("1.0 ", "one "), r"cell0001\.png: expected a probability from 0 to 1 and mono or poly"),
    "nan": (LINES.replace("1.0 ", "nan "), "expected a probability"),
    "above 1": (LINES.replace("1.0 ", "1.5 "), "expected a probability"),
    "negative": (LINES.replace("0.0 ", "-1 "), "expected a probability"),
    "other type": (LINES.replace("mono", "thin"), "mono or poly"),
    "too few values": (LINES.replace("  mono", ""), "mono or poly"),
    "cut": (LINES[:60], r"'images/cell000' is not in images/"),
    "empty": ("", r"cell0001\.png: not in labels\.csv"),
    "twice": (LINES + LINES.splitlines()[0], r"labels\.csv: line 6: 'images/cell0001\.png' stands there twice"),
    "no image": (LINES + "images/cell9.png 0.0 mono", r"labels\.csv: 'images/cell9\.png' is not in images/"),
    "elsewhere": (LINES + "../../../etc/passwd 0.0 mono", "passwd' is not in images/"),
    "not text": (b"\xff\xfe\x00", r"labels\.csv: not readable as a list of labels"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_list_is_refused(tmp_path, case):
    lines, message = WRONG[case]
    write_cells(tmp_path)
    (tmp_path / "labels.csv").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    with pytest.raises(InputError, match=message) as raised:
        read(read_elpv, tmp_path)
    assert "\n" not in str(raised.value)


def test_what_is_left_out_is_counted(tmp_path):
    write_cells(tmp_path, LINES.replace("1.0 ", "one ") + "images/cell9.png 0.0 mono")
    bad = BadFiles(skip=True)
    assert len(read(read_elpv, tmp_path, bad)) == 3
    assert [entry["file"] for entry in bad.skipped] == ["images/cell9.png", "images/cell0001.png"]


def test_the_published_cells():
    """The package on disk: what its authors state, 2,624 cells, and their counts of each probability."""
    try:
        root = package_folder()
    except InputError as error:
        pytest.skip(str(error))
    images = read(read_elpv, root)
    assert len(images) == 2624
    assert sum(image.label == "defective" for image in images) == 56 + 50 + 313 + 402
    surer = read(read_elpv, root, defect_probability=0.9)
    assert sum(image.label == "defective" for image in surer) == 313 + 402
