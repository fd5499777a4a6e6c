"""The whole way by a model worked out by hand: photographs in, verdicts, regions, pictures and tables out."""

import json

import cv2
import numpy as np
import PIL.Image
import pytest

from stages.datasets.images import read_image
from tests.inspection.command import photographs, regions, run, summary
from tests.inspection.line_models import PX, metadata, plate, write_model

pytest.importorskip("onnxruntime")


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model.onnx")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "line 2").mkdir(parents=True)
    return tmp_path / "in"


def save(path, pixels, **options):
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def test_a_defect_is_found_where_it_is(folder, model, tmp_path, capsys):
    save(folder / "bad.png", plate(50, 70, (16, 16, 8, 8)))
    save(folder / "line 2" / "good.png", plate(50, 70))
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 1
    found = photographs(tmp_path / "out")
    assert {name: entry["verdict"] for name, entry in found.items()} == {
        "bad.png": "defective",
        "line 2/good.png": "good",
    }
    # 4 x 5 tiles of 16 px, the last of each row and column moved in; the spot fills one cell of the tile at (16, 16)
    assert (found["bad.png"]["tiles"], found["bad.png"]["defective_tiles"]) == (20, 1)
    assert found["bad.png"]["probability"] == pytest.approx(1 / (1 + np.exp(-12)), abs=1e-5)
    (region,) = regions(tmp_path / "out")
    # the cell's centre at (20, 20), half way to its neighbours' at 24: above 127 up to there, but for the far corner
    assert (region["x"], region["y"], region["width"], region["height"]) == ("16", "16", "8", "8")
    assert float(region["peak"]) == 1 and region["kind"] == "defective"
    assert found["bad.png"]["lit_share"] == pytest.approx(int(region["area_px"]) / 3500, abs=1e-5)
    said = summary(tmp_path / "out")
    assert (said["exit_code"], said["finished"]) == (1, True)
    assert capsys.readouterr().out.startswith("2 photographs: 1 defective, 1 good, 0 failed; 1 regions; ")


def test_results_mirror_the_folders_and_leave_the_rest_of_the_photograph_alone(folder, model, tmp_path):
    pixels = plate(50, 70, (16, 16, 8, 8))
    save(folder / "a.png", pixels)
    save(folder / "a.bmp", pixels)
    save(folder / "line 2" / "a.png", pixels)
    out = tmp_path / "out"
    run(folder, "--model", model, "--out", out)
    files = sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file())
    names = ("a.bmp", "a.png", "line 2/a.png")
    assert files == sorted(
        ["coco.json", "index.html", "regions.csv", "summary.json"]
        + [f"overlays/{name}.png" for name in names]
        + [f"photographs/{name}.jpg" for name in names]
    )
    with PIL.Image.open(out / "overlays/a.png.png") as overlay:
        cover, levels = np.asarray(overlay.convert("RGBA"))[..., 3], np.asarray(overlay)
    assert levels.shape == (50, 70) and not cover[:, 50:].any() and cover[16:24, 16:24].all()
    assert np.abs(read_image(out / "photographs/a.png.jpg").astype(int) - pixels).mean() < 3


def test_coco_and_csv_say_the_same(folder, model, tmp_path):
    save(folder / "a.png", plate(50, 70, (0, 0, 8, 8), (32, 32, 8, 8)))
    save(folder / "b.png", plate(50, 70, (0, 0, 8, 8)))
    run(folder, "--model", model, "--out", tmp_path / "out")
    coco = json.loads((tmp_path / "out/coco.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "defective"}]
    assert [(image["id"], image["file_name"], image["width"]) for image in coco["images"]] == [
        (1, "a.png", 70),
        (2, "b.png", 70),
    ]
    boxes = [[int(row[key]) for key in ("x", "y", "width", "height")] for row in regions(tmp_path / "out")]
    assert [each["bbox"] for each in coco["annotations"]] == boxes and [each["id"] for each in coco["annotations"]] == [
        1,
        2,
        3,
    ]
    for each in coco["annotations"]:
        corners = np.array(each["segmentation"][0], np.float32).reshape(-1, 2)
        assert cv2.contourArea(corners) == each["area"]
        assert np.array_equal(corners.min(axis=0), each["bbox"][:2])


def test_the_kind_of_defect_of_several(folder, tmp_path):
    model = write_model(tmp_path / "m.onnx", kinds=2, task="multiclass", classes=["good", "spur", "short"])
    save(folder / "a.png", plate(50, 70, (16, 16, 8, 8)))
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 1
    assert [row["kind"] for row in regions(tmp_path / "out")] == ["short"]


def test_a_tile_that_is_called_good_is_black_unless_asked_for(folder, model, tmp_path):
    save(folder / "a.png", plate(16, 32, (0, 0, 8, 8), (16, 0, 4, 4)))  # the second fills a quarter of its cell: good
    run(folder, "--model", model, "--out", tmp_path / "out")
    assert [int(row["x"]) < 16 for row in regions(tmp_path / "out")] == [True]
    run(folder, "--model", model, "--out", tmp_path / "all", "--all-tiles")
    assert sorted(int(row["x"]) < 16 for row in regions(tmp_path / "all")) == [False, True]
    assert photographs(tmp_path / "all")["a.png"]["defective_tiles"] == 1


def test_resize_looks_at_the_whole_photograph_as_one_tile(folder, tmp_path):
    tile = metadata()["tile"] | {"mode": "resize"}
    model = write_model(tmp_path / "m.onnx", tile=tile)
    save(folder / "a.png", plate(64, 96, (48, 0, 48, 32)))
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 1
    (region,) = regions(tmp_path / "out")
    assert photographs(tmp_path / "out")["a.png"]["tiles"] == 1
    assert (region["x"], region["y"]) == ("48", "0") and int(region["width"]) == 48


def test_overlap_by_parameter(folder, model, tmp_path):
    save(folder / "a.png", plate(32, 32))
    run(folder, "--model", model, "--out", tmp_path / "out", "--overlap-px", "8")
    assert photographs(tmp_path / "out")["a.png"]["tiles"] == 9


def test_the_same_bytes_whatever_the_batch(folder, model, tmp_path):
    save(folder / "a.png", plate(50, 70, (16, 16, 8, 8)))
    for batch in (1, 7, 64):
        run(folder, "--model", model, "--out", tmp_path / str(batch), "--batch", batch)
    for name in ("regions.csv", "coco.json", "overlays/a.png.png"):
        assert len({(tmp_path / str(batch) / name).read_bytes() for batch in (1, 7, 64)}) == 1


def test_a_large_photograph_is_shown_reduced_and_measured_in_full(folder, model, tmp_path):
    save(folder / "a.png", plate(100, 150, (16, 16, 8, 8)))
    run(folder, "--model", model, "--out", tmp_path / "out", "--overlay-px", "64")
    assert read_image(tmp_path / "out/photographs/a.png.jpg").shape == (34, 50, 3)
    assert [row["x"] for row in regions(tmp_path / "out")] == ["16"]


@pytest.mark.parametrize(("spots", "code"), [([], 0), ([(16, 16, 8, 8)], 1)])
def test_exit_codes(folder, model, tmp_path, spots, code):
    save(folder / "a.png", plate(50, 70, *spots))
    assert run(folder, "--model", model, "--out", tmp_path / "out") == code
    assert run(folder, "--model", model, "--out", tmp_path / "again", "--exit-zero") == 0
    (folder / "b.png").write_text("no picture")
    assert run(folder, "--model", model, "--out", tmp_path / "third", "--exit-zero") == 2


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (plate(50, 70, colour=(2, 2, 2)), "darker"),
        (plate(50, 70, colour=(90, 255, 255)), "brighter"),
        (plate(50, 70, colour=(90, 120, 60)), None),
        (plate(50, 70, colour=(0, 90, 255)), "look like nothing in training"),
    ],
)
def test_drift_is_flagged_with_its_reason(folder, tmp_path, pixels, words, capsys):
    reference = metadata()["reference"]
    reference["feature_distance"]["quantiles"]["0.99"] = 1.5
    model = write_model(tmp_path / "m.onnx", reference=reference)
    save(folder / "a.png", pixels)
    run(folder, "--model", model, "--out", tmp_path / "out")
    reasons = photographs(tmp_path / "out")["a.png"]["drift"]
    line = capsys.readouterr().out
    if words is None:
        assert reasons == [] and "unlike" not in line and "moved" not in line
    else:
        assert any(words in reason and reason.startswith("100% of its tiles") for reason in reasons)
        assert "1 unlike training; this run has moved away from training: 100% of its tiles" in line


def test_a_run_in_which_more_is_called_defective_than_in_validation_has_moved(folder, tmp_path, capsys):
    reference = metadata()["reference"]
    reference["probability"]["mean"] = 0.01
    model = write_model(tmp_path / "m.onnx", reference=reference)
    save(folder / "a.png", plate(PX, 2 * PX, (0, 0, 8, 8)))
    run(folder, "--model", model, "--out", tmp_path / "out")
    assert (
        "moved away from training: mean probability of a defect 0.501, on validation tiles 0.01"
        in capsys.readouterr().out
    )
