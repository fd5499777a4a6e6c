"""References in the score stage: scored like methods, by tile scores of their own, never held against a method."""

import json

import numpy as np
import pytest

from stages import score as stage
from stages.classification.score_calibration import probability_of
from stages.metrics.controls import CONTROLS
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.scores.scores import open_scores
from tests.score_records import DEFECTIVE, write_maps, write_tiles

SCORES = np.array([9, 8, 1, 2, 9, 1, 0, 0], np.float32)  # tile 5 is defective and overlooked, 6 is called good


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    write_tiles(real)
    write_maps(real, "net")
    return real


def add(kind, maps, scores=SCORES, left_out=None):
    """Write a reference beside the maps of `net`, as the explain stage does."""
    folder = stage.maps_folder("net")
    described = json.loads((folder / "settings.json").read_text())
    if left_out:
        described["left_out"] = {kind: left_out}
    else:
        np.save(folder / f"{kind}.npy", maps.astype(np.float16))
        np.save(folder / f"{kind}_score.npy", scores)
        settings = [{"name": kind, "fusion": kind, "discard": 0.0}]
        described["methods"][kind] = {"cell_px": 1, "offset_px": 0, "settings": settings, "reference": True}
        described["order"].append(kind)
    (folder / "settings.json").write_text(json.dumps(described))


def scored():
    return json.loads(stage.metrics_file("score", "net").read_text())["net"]


def right_maps():
    return np.stack([np.load(stage.maps_folder("net") / "cam.npy")[0]] * 8)


def test_a_reference_is_scored_with_the_tiles_that_it_calls_defective_itself(params):
    stage.score(params, "net")
    before = scored()
    add("nearest_good", right_maps())
    stage.score(params, "net")
    result = scored()
    rows = open_scores(stage.scores_folder("net")).rows
    assert rows["nearest_good"].reference and rows["nearest_good"].beside and not rows["nearest_good"].control
    # test tiles 4 to 7: the map is right on 4; 5 is called good, so it is black and 16 true pixels are missed
    boxes = result["boxes"]["nearest_good"]
    assert (boxes["precision"], boxes["recall"]) == (1.0, 0.5)
    assert boxes["pointing_game"] == 1.0 and "beats_controls" not in boxes
    probability = probability_of(SCORES, np.arange(4), DEFECTIVE[:4])
    assert probability[5] < 0.5 < probability[4]
    found = result["references"]["nearest_good"]
    assert found["left_out"] is None and (found["recall"], found["precision"]) == (0.5, 1.0)
    # all else is as it was, and the method is not held against a reference that is better
    assert result["boxes"]["cam"]["f1"] < boxes["f1"] and result["boxes"]["cam"]["beats_controls"] is True
    for truth in ("boxes", "exact"):
        assert {name: result[truth][name] for name in before[truth]} == before[truth]
    assert result["classification"] == before["classification"]


def test_the_perfect_map_stands_beside_them_and_only_where_references_were_asked_for(params):
    stage.score(params, "net")
    assert set(scored()["boxes"]) == {"cam", *CONTROLS} and "references" not in scored()
    content = json.loads((stage.scores_folder("net") / "rows.json").read_text())
    assert {"perfect", "left_out"} & content.keys() == set() and "reference" not in content["rows"]["cam"]
    add("supervised", right_maps())
    stage.score(params, "net")
    perfect = scored()["boxes"]["perfect_map"]
    # cells are pixels here, so the truth on their grid is the truth
    assert (perfect["f1"], perfect["pointing_game"], perfect["tile_average_precision"]) == (1.0, 1.0, 1.0)
    kept = open_scores(stage.scores_folder("net"))
    assert kept.perfect["exact"]["f1"] == 1.0 and "perfect_map" not in kept.rows


def test_one_that_is_left_out_has_its_reason_in_every_record(params):
    add("nearest_good", None, left_out="no train tile is good")
    stage.score(params, "net")
    assert scored()["references"] == {"nearest_good": {"left_out": "no train tile is good"}}
    kept = open_scores(stage.scores_folder("net"))
    assert kept.left_out == {"nearest_good": "no train tile is good"} and set(kept.rows) == {"cam", *CONTROLS}
    assert kept.perfect["boxes"]["f1"] == 1.0


def test_a_reference_without_truth_has_its_calls_alone(params):
    for file in stage.tiles_folder(params.dataset_name).glob("*s-0000.npy"):
        if not file.name.startswith("images"):
            file.unlink()
    (stage.tiles_folder(params.dataset_name) / "exact-0000.npy").unlink()
    add("nearest_good", right_maps())
    stage.score(params, "net")
    assert scored()["references"]["nearest_good"]["average_precision"] == pytest.approx(1.0)
    assert open_scores(stage.scores_folder("net")).truths == ()


def test_tile_scores_of_other_tiles_are_refused(params):
    add("nearest_good", right_maps(), scores=SCORES[:5])
    with pytest.raises(InputError, match=r"nearest_good_score.npy: has shape \(5,\); run the explain stage again"):
        stage.score(params, "net")
