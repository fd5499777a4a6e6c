"""Stage tile: its record and its line; every bad input is one line, exit code 2, and leaves earlier tiles alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import tile as stage
from stages.datasets.settings import Dataset
from stages.records.tiles import open_tiles
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Runtime, read_params
from tests.datasets.small_sets import (
    TILE,
    noise,
    spot,
    voc,
    write_board,
    write_casting,
    write_magnetic,
    write_pixels,
    write_text,
)
from tests.parameters import but

BOX = (1, 1, 10, 10)


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    dataset = replace(real.read(Dataset), name="pcb", root=str(tmp_path / "root"))
    return but(real, dataset=dataset, tile=TILE, runtime=replace(real.read(Runtime), workers=2))


def named(params, name):
    return but(params, dataset=replace(params.read(Dataset), name=name))


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
    write_magnetic(tmp_path / "root", "Break", "exp1_num_1", spot(20, 20))
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
    "truncated image": (truncated, "01_a.png: the image is truncated: its end is missing"),
    "broken XML": (annotated("<annotation>"), "01_a.xml: not readable as XML"),
    "entity bomb": (annotated(BOMB), "01_a.xml: the XML declares entities"),
    "XML without image size": (
        annotated("<annotation><size/><object/></annotation>"),
        "01_a.xml: object 1: <name> is missing",
    ),
    "box outside": (annotated(voc(60, 40, (1, 1, 61, 9))), "01_a.xml: object 1: box x 1..61, y 1..9 is outside"),
    "min above max": (annotated(voc(60, 40, (9, 1, 5, 9))), "01_a.xml: object 1: box x 9..5, y 1..9: min must not be"),
    "another extent": (annotated(voc(61, 40, BOX)), "01_a.png: the image is 60x40 px but its annotation says 61x40 px"),
    "mask of another extent": (with_mask(60, 40), "01_a.png: the mask is 40x60 px but its image is 60x40 px"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_earlier_tiles_alone(params, tmp_path, monkeypatch, capfd, case):
    write_board(tmp_path / "earlier", "01_a", BOX)
    stage.tile(but(params, dataset=replace(params.read(Dataset), root=str(tmp_path / "earlier"))))
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
    with pytest.raises(Exception, match=r"07_a\.png: the image is of no format that is read"):
        stage.tile(params)
    assert not list(Path("data/tiles").iterdir())


def test_counts_go_into_the_metrics_and_no_times(params, tmp_path):
    write_board(tmp_path / "root", "01_a", BOX)
    write_board(tmp_path / "root", "02_b", seed=1)
    (tmp_path / "root/images/Short/02_b.png").write_bytes(b"broken")
    skipping = but(params, dataset=replace(params.read(Dataset), on_bad_file="skip"))
    assert "1 of them defective, 1 bad images left out (see metrics/tile.json), " in stage.tile(skipping)
    content = json.loads(Path("metrics/tile.json").read_text())
    reason = content["pcb"].pop("skipped")
    assert list(reason) == ["images/Short/02_b.png"]
    assert "of no format that is read" in reason["images/Short/02_b.png"]
    assert content == {
        "pcb": {
            "images": 1,
            "groups": 1,
            "duplicates": 0,
            "tiles": 6,
            "defective": 1,
            "below_threshold": 0,
            "classes": {"Short": 1, "good": 5},
            "annotation": {"boxes": 6},
            "truths": "boxes",
            "notes": {},
            "not_used": {},
        }
    }


def test_what_was_assumed_is_said_and_counted(params, tmp_path):
    for number, value in enumerate((1, 100, 255, 1)):
        write_board(tmp_path / "root", f"{number:02d}_a", BOX, seed=number)
        write_pixels(tmp_path / f"root/masks/Short/{number:02d}_a.png", spot(40, 60) // 255 * np.uint8(value))
    line = stage.tile(params)
    assert "24 tiles, 4 of them defective; 1 images with a mask read as: 0 and 100; 2 images with a mask read" in line
    assert json.loads(Path("metrics/tile.json").read_text())["pcb"]["notes"] == {
        "with a mask read as: 0 and 100": 1,
        "with a mask read as: class numbers, all but 0 defect": 2,
    }


def test_a_defective_image_without_a_defective_tile_is_counted(params, tmp_path):
    write_board(tmp_path / "root", "01_a", BOX)
    write_board(tmp_path / "root", "02_a", (56, 36, 60, 40), seed=1)  # in the rest that border: drop does not use
    write_board(tmp_path / "root", "03_a", (1, 1, 2, 2), seed=2)  # 4 px, less than 2% of 400
    line = stage.tile(but(params, tile=replace(TILE, defect_threshold=0.02)))
    note = "defective, but without a defective tile (tile.defect_threshold, tile.border)"
    assert f"18 tiles, 1 of them defective; 2 images {note}, " in line
    content = json.loads(Path("metrics/tile.json").read_text())["pcb"]
    assert (content["notes"], content["below_threshold"]) == ({note: 2}, 1)


def test_what_the_publisher_left_empty_is_left_out_in_one_line(params, tmp_path, capfd):
    known = ("exp3_num_45042", "exp4_num_45057", "exp4_num_124690", "exp4_num_352527")
    for number, stem in enumerate(known):
        write_magnetic(tmp_path / "root", "Uneven", stem, np.zeros((20, 20), np.uint8), number)
    write_magnetic(tmp_path / "root", "Break", "exp1_num_1", spot(20, 20), 7)
    assert "1 images, 1 tiles, 1 of them defective, 4 bad images left out" in stage.tile(named(params, "magnetic_tile"))
    assert capfd.readouterr().err.count("left out") == 1
    skipped = json.loads(Path("metrics/tile.json").read_text())["magnetic_tile"]["skipped"]
    assert sorted(skipped) == sorted(f"MT_Uneven/Imgs/{stem}.jpg" for stem in known)
    write_magnetic(tmp_path / "root", "Uneven", known[0], spot(20, 20))  # somebody has drawn it
    assert "2 images, 2 tiles, 2 of them defective, 3 bad" in stage.tile(named(params, "magnetic_tile"))
    write_magnetic(tmp_path / "root", "Uneven", "exp1_num_9", np.zeros((20, 20), np.uint8))
    with pytest.raises(InputError, match=r"exp1_num_9\.png: marks no defect, but the image counts as Uneven"):
        stage.tile(named(params, "magnetic_tile"))


def test_three_empty_masks_among_good_ones_are_left_out_by_name(params, tmp_path):
    write_pixels(tmp_path / "root/good/0.png", noise(20, 20))
    for number in range(1, 7):
        write_pixels(tmp_path / f"root/defective/{number}.png", noise(20, 20, number))
        write_pixels(tmp_path / f"root/masks/{number}.png", spot(20, 20) * np.uint8(number > 3))
    with pytest.raises(InputError, match=r"masks/1\.png: marks no defect, but the image counts as defect; correct"):
        stage.tile(named(params, "folder"))
    skipping = but(params, dataset=replace(params.read(Dataset), name="folder", on_bad_file="skip"))
    assert "4 images, 4 tiles, 3 of them defective, 3 bad images left out" in stage.tile(skipping)


def test_what_is_seen_and_not_used_is_said_and_counted(params, tmp_path):
    write_board(tmp_path / "root", "01_a", BOX)
    write_pixels(tmp_path / "root/rotation/01_a.png", noise(8, 8))
    for name in ("Annotations/Short/09_gone.xml", "Thumbs.db", "readme.txt"):
        write_text(tmp_path / "root" / name, "")
    reasons = ["annotations that no image uses", "left by an operating system", "neither pictures nor annotations"]
    reasons += ["pictures outside of what is read"]
    words = ", ".join(f"1 {reason}" for reason in reasons)
    assert f"1 of them defective; seen, not used: 4 ({words}), " in stage.tile(params)
    assert json.loads(Path("metrics/tile.json").read_text())["pcb"]["not_used"] == dict.fromkeys(reasons, 1)
