"""Stage tile: its record and its line; every bad input is one line, exit code 2, and leaves earlier tiles alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import tile as stage
from stages.datasets.tiles import open_tiles
from stages.runtime.command import run_stage
from stages.runtime.params import read_params
from tests.datasets.small_sets import (
    TILE,
    noise,
    voc,
    write_board,
    write_casting,
    write_magnetic,
    write_pixels,
    write_text,
)

BOX = (1, 1, 10, 10)


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    dataset = replace(real.dataset, name="pcb", root=str(tmp_path / "root"))
    return replace(real, dataset=dataset, tile=TILE, runtime=replace(real.runtime, workers=2))


def named(params, name):
    return replace(params, dataset=replace(params.dataset, name=name))


def files(folder=Path("data")):
    return {path.as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_boxes_become_tiles(params, tmp_path):
    write_board(tmp_path / "root", "01_a", BOX)  # 60 x 40 px: three by two windows of 20 at stride 16
    write_board(tmp_path / "root", "02_b", seed=1)
    assert stage.tile(params).startswith("tile: pcb: 2 images, 12 tiles, 1 of them defective, ")
    tiles = open_tiles(Path("data/tiles/pcb"))
    assert tiles.truths == ("boxes",)
    assert tiles.index["group"].tolist() == ["01"] * 6 + ["02"] * 6
    assert tiles.index["defect_px"].tolist() == [100] + [0] * 11
    assert np.array_equal(tiles.images(np.array([7]))[0], noise(40, 60, 1)[:20, 16:36])


def test_boxes_and_masks_become_two_truths(params, tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[2:5, 2:5] = 255
    write_board(tmp_path / "root", "01_a", BOX)
    write_pixels(tmp_path / "root/masks/Short/01_a.png", mask)
    stage.tile(named(params, "boards"))
    tiles = open_tiles(Path("data/tiles/boards"))
    assert tiles.truths == ("boxes", "exact")
    assert tiles.index["exact_px"].tolist() == [9, 0, 0, 0, 0, 0]
    assert not (tiles.truth("exact", np.arange(6)) & ~tiles.truth("boxes", np.arange(6))).any()


def test_masks_and_labels_alone(params, tmp_path):
    write_magnetic(tmp_path / "root", "Break", "exp1_num_1", np.full((20, 20), 255, np.uint8))
    write_magnetic(tmp_path / "root", "Free", "exp1_num_2", np.zeros((20, 20), np.uint8))
    assert "2 images, 2 tiles, 1 of them defective" in stage.tile(named(params, "magnetic_tile"))
    write_casting(tmp_path / "root")
    assert "8 images, 8 tiles, 4 of them defective" in stage.tile(named(params, "casting"))


def without_images(root):
    (root / "images").mkdir(parents=True)
    (root / "Annotations").mkdir()


def truncated(root):
    path = write_board(root, "01_a", BOX)
    path.write_bytes(path.read_bytes()[:-40])


def annotated(text):
    def write(root):
        write_board(root, "01_a")
        write_text(root / "Annotations/Short/01_a.xml", text)

    return write


def with_mask(height, width):
    def write(root):
        write_board(root, "01_a", BOX)
        write_pixels(root / "masks/Short/01_a.png", np.zeros((height, width), np.uint8))

    return write


BOMB = '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>'
BAD = {
    "missing root": (lambda root: None, "root: is not there; set dataset.root"),
    "no layout": (lambda root: root.mkdir(), "no folders images/ and Annotations/"),
    "no images": (without_images, "images: no images"),
    "truncated image": (truncated, "01_a.png: the image is truncated or not an image"),
    "broken XML": (annotated("<annotation>"), "01_a.xml: not readable as XML"),
    "entity bomb": (annotated(BOMB), "01_a.xml: the XML declares entities"),
    "XML without size": (annotated("<annotation/>"), "01_a.xml: the image: <size/width> is missing"),
    "box outside": (annotated(voc(60, 40, (1, 1, 61, 9))), "01_a.xml: object 1: box x 1..61, y 1..9 is outside"),
    "min above max": (annotated(voc(60, 40, (9, 1, 5, 9))), "01_a.xml: object 1: box x 9..5, y 1..9: min must be"),
    "another extent": (annotated(voc(61, 40, BOX)), "01_a.png: the image is 60x40 px but its annotation says 61x40 px"),
    "mask of another extent": (with_mask(60, 40), "01_a.png: the mask is 40x60 px but its image is 60x40 px"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_earlier_tiles_alone(params, tmp_path, monkeypatch, capfd, case):
    write_board(tmp_path / "earlier", "01_a", BOX)
    stage.tile(replace(params, dataset=replace(params.dataset, root=str(tmp_path / "earlier"))))
    before = files()
    write, message = BAD[case]
    write(tmp_path / "root")
    monkeypatch.setattr("sys.argv", ["tile"])
    monkeypatch.setattr("stages.runtime.command.read_params", lambda: params)
    with pytest.raises(SystemExit) as stopped:
        run_stage(stage.tile, "")
    assert stopped.value.code == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    assert message in err
    assert files() == before
    assert sorted(path.name for path in Path("data/tiles").iterdir()) == ["pcb"]


def test_an_error_in_a_late_image_writes_nothing(params, tmp_path):
    for number in range(8):
        write_board(tmp_path / "root", f"{number:02d}_a", seed=number)
    (tmp_path / "root/images/Short/07_a.png").write_bytes(b"broken")
    with pytest.raises(Exception, match=r"07_a\.png: the image is truncated"):
        stage.tile(params)
    assert not list(Path("data/tiles").iterdir())


def test_counts_go_into_the_metrics_and_no_times(params, tmp_path):
    write_board(tmp_path / "root", "01_a", BOX)
    write_board(tmp_path / "root", "02_b", seed=1)
    (tmp_path / "root/images/Short/02_b.png").write_bytes(b"broken")
    skipping = replace(params, dataset=replace(params.dataset, on_bad_file="skip"))
    assert "1 of them defective, 1 bad images left out (see metrics/tile.json), " in stage.tile(skipping)
    content = json.loads(Path("metrics/tile.json").read_text())
    reason = content["pcb"].pop("skipped")
    assert list(reason) == ["images/Short/02_b.png"]
    assert "truncated" in reason["images/Short/02_b.png"]
    assert content == {
        "pcb": {
            "images": 1,
            "groups": 1,
            "duplicates": 0,
            "tiles": 6,
            "defective": 1,
            "classes": {"Short": 1, "good": 5},
            "annotation": {"boxes": 6},
            "truths": "boxes",
        }
    }
