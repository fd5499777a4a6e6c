"""Stage score on a tiny data set and heatmaps on disk, in the format that tile and explain write."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from stages import score as stage
from stages.metrics.controls import CONTROLS
from stages.metrics.table import METRICS, SCORES, PixelHistograms, metrics_of
from stages.ranking.cluster_scores import cluster_parts
from stages.scores.scores import open_scores
from stages.scoring import tables
from stages.scoring import tiles as tiles_module
from stages.scoring.settings import Score
from tests.parameters import but
from tests.score_records import PX, write_maps, write_tiles


def with_score(params, **changes):
    return but(params, score=replace(params.read(Score), **changes))


def scored(model):
    return json.loads((stage.metrics_file("score", model)).read_text())[model]


def settings(model, plot="settings"):
    with stage.plot_file(plot, model, ".csv").open() as file:
        return list(csv.DictReader(file))


def test_scores_of_a_cnn_exact(params):
    write_tiles(params)
    write_maps(params, "net")
    line = stage.score(params, "net")
    result = scored("net")

    # test tiles: 4 and 5 defective (both found), 6 good (found: false alarm), 7 good
    assert result["classification"] == {
        "accuracy": 0.75,
        "average_precision": 1.0,
        "f1": 0.8,
        "precision": 0.66667,
        "recall": 1.0,
        "tiles": 4,
        "defective_tiles": 2,
    }
    # Heatmaps: one bright 4x4 corner. Tile 4: on the truth. Tile 5: elsewhere. Tile 6: false alarm. Tile 7: black.
    boxes = result["boxes"]["cam"]
    tp, fp, fn = 16, 32, 16
    assert boxes["precision"] == pytest.approx(tp / (tp + fp), abs=1e-5)
    assert boxes["recall"] == pytest.approx(tp / (tp + fn), abs=1e-5)
    assert boxes["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-5)
    assert boxes["jaccard"] == pytest.approx(tp / (tp + fp + fn), abs=1e-5)
    assert boxes["accuracy"] == pytest.approx(1 - (fp + fn) / (4 * PX * PX), abs=1e-5)
    assert boxes["pointing_game"] == 0.5
    # average precision is 1 on tile 4; on tile 5 all of the truth ties with all that is dark
    assert boxes["tile_average_precision"] == pytest.approx((1 + 16 / 256) / 2, abs=1e-5)
    assert boxes["weighting_game"] == 0.5
    assert boxes["undefined"] == {"constant_maps": 0, "empty_truths": 0}
    assert boxes["thresholds"]["fixed_iou"] == boxes["jaccard"]
    assert boxes["thresholds"]["oracle_gap"] == 0.0
    # the maps have the tile's resolution, so the truth on their grid is the truth
    assert boxes["of_grid_truth"]["f1"] == boxes["f1"]
    # tile 6 is good and shows 16 px in one region, tile 7 is black
    alarms = result["good_tiles"]["cam"]["fixed"]
    assert alarms == {
        "good_tiles": 2,
        "lit_fraction": pytest.approx(16 / 512, abs=1e-5),
        "tiles_with_region": 0.5,
        "tiles_with_large_region": 0.5,
    }
    assert boxes["area"] == pytest.approx(16 / PX**2, abs=1e-5)
    assert boxes["discard"] == 0.0
    # the exact mask is the upper half of the box
    exact = result["exact"]["cam"]
    assert exact["area"] == pytest.approx(8 / PX**2, abs=1e-5)
    assert exact["precision"] == pytest.approx(8 / 48, abs=1e-5)

    rows = settings("net")
    rows = [row for row in rows if row["fusion"] == "cam"]
    assert len(rows) == 2 * (
        2 * len(SCORES) + len(metrics_of(PixelHistograms))
    )  # truths; validation, and test with pooled pixels too
    (row,) = (r for r in rows if (r["truth"], r["split"], r["metric"]) == ("boxes", "test", "f1"))
    assert (row["fusion"], row["discard"], float(row["value"])) == ("cam", "0.0", boxes["f1"])
    assert line.startswith("score net, cam: average precision 1.000 on 4 test tiles; against boxes f1 ")


def test_validation_chooses_the_discard_ratio_and_test_scores_it(params):
    write_tiles(params)
    write_maps(params, "vit", family="vit")
    stage.score(params, "vit")
    result = scored("vit")
    assert set(result["boxes"]) == {"rollout_min", "rollout_mean", "rollout_max", *CONTROLS}
    # "max" is right on validation tiles at 0.9 and on test tiles at 0.0; validation decides
    assert result["boxes"]["rollout_max"]["discard"] == 0.9
    assert result["exact"]["rollout_max"]["discard"] == 0.9
    assert result["boxes"]["rollout_max"]["pointing_game"] == 0.0
    # "mean" is the same at both ratios: the smaller one
    assert result["boxes"]["rollout_mean"]["discard"] == 0.0
    # "min" is constant: black, and the pointing game cannot be played
    constant = result["boxes"]["rollout_min"]
    assert (constant["pointing_game"], constant["precision"]) == (None, None)
    assert (constant["recall"], constant["f1"], constant["discard"]) == (0.0, 0.0, 0.0)
    undefined = [r for r in settings("vit") if r["fusion"] == "min" and r["metric"] == "pointing_game"]
    assert undefined
    assert {r["value"] for r in undefined} == {""}


def test_scores_by_threshold_pass_through_the_scores_of_both_rules(params):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    rows = settings("net", "thresholds")
    assert {row["row"] for row in rows} == {"cam"}  # no control
    assert [int(row["threshold"]) for row in rows if (row["truth"], row["rule"]) == ("boxes", "")] == [
        *range(0, 255, 5)
    ]
    boxes = scored("net")["boxes"]["cam"]
    (thesis,) = (row for row in rows if (row["truth"], row["rule"]) == ("boxes", "thesis"))
    assert [float(thesis[name]) for name in tables.THRESHOLD_SCORES] == [
        boxes[name] for name in tables.THRESHOLD_SCORES
    ]
    (validation,) = (row for row in rows if (row["truth"], row["rule"]) == ("boxes", "validation"))
    assert float(validation["threshold"]) == boxes["thresholds"]["validation_threshold"]
    f1 = float(validation["f1"])
    assert f1 / (2 - f1) == pytest.approx(boxes["thresholds"]["validation_iou"], abs=2e-5)


def test_the_order_of_the_maps_changes_nothing(params):
    write_tiles(params)
    outputs = []
    for order in (range(8), [5, 0, 7, 2, 6, 1, 4, 3]):
        write_maps(params, "vit", family="vit", order=list(order))
        stage.score(params, "vit")
        files = (
            stage.metrics_file("score", "vit"),
            stage.plot_file("settings", "vit", ".csv"),
            stage.scores_folder("vit") / "histograms.parquet",
            stage.scores_folder("vit") / "tiles.parquet",
        )
        outputs.append([file.read_bytes() for file in files])
    assert outputs[0] == outputs[1]


def test_chunks_change_nothing(params, monkeypatch):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    whole, histograms = scored("net"), (stage.scores_folder("net") / "histograms.parquet").read_bytes()
    monkeypatch.setattr(tiles_module, "CHUNK_TILES", 3)
    stage.score(params, "net")
    assert scored("net") == whole
    assert (stage.scores_folder("net") / "histograms.parquet").read_bytes() == histograms


def test_a_data_set_with_masks_only(params):
    write_tiles(params, truths=("exact",))
    write_maps(params, "net")
    stage.score(params, "net")
    assert set(scored("net")) == {"classification", "exact", "good_tiles", "photographs"}


def test_a_data_set_with_labels_only(params):
    write_tiles(params, truths=())
    write_maps(params, "vit", family="vit")
    line = stage.score(params, "vit")
    assert set(scored("vit")) == {"classification", "good_tiles", "photographs"}
    assert open_scores(stage.scores_folder("vit")).truths == ()
    assert settings("vit") == []
    assert line == "score vit, rollout_min, discard 0: average precision 1.000 on 4 test tiles"


def test_a_vit_whose_own_method_is_cam_is_scored_as_a_cnn_is(params):
    write_tiles(params)
    write_maps(params, "net")
    line = stage.score(params, "net")
    whole, rows = scored("net"), settings("net")
    described = stage.maps_folder("net") / "settings.json"
    described.write_text(described.read_text().replace('"cnn"', '"vit"'))
    assert stage.score(params, "net") == line and line.startswith("score net, cam: average precision ")
    assert scored("net") == whole and settings("net") == rows


@pytest.mark.parametrize("family", ["cnn", "vit"])
def test_jaccard_and_f1_and_their_parts_agree_in_what_is_written(params, family):
    """Jaccard = F1 / (2 - F1) and F1 = 2 P R / (P + R), as in tables 3.4 and 3.6."""
    write_tiles(params)
    write_maps(params, "net", family=family)
    stage.score(params, "net")
    checked = 0
    for truth in ("boxes", "exact"):
        for row in scored("net")[truth].values():
            assert row["jaccard"] == pytest.approx(row["f1"] / (2 - row["f1"]), abs=2e-5)
            if row["precision"] is not None and row["precision"] + row["recall"]:
                harmonic = 2 * row["precision"] * row["recall"] / (row["precision"] + row["recall"])
                assert row["f1"] == pytest.approx(harmonic, abs=2e-5)
                checked += 1
    assert checked >= 2


def test_what_is_kept_of_each_tile_gives_the_scores_again(params):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    kept = open_scores(stage.scores_folder("net"))
    assert kept.truths == ("boxes", "exact")
    assert kept.best == "cam"
    assert list(kept.tiles["tile_id"]) == [f"board.jpg@{x},0" for x in range(4, 8)]
    assert kept.tiles["defective"].tolist() == [True, True, False, False]
    columns = kept.columns("boxes", "cam")
    assert columns["tp"].tolist() == [16, 0, 0, 0]
    assert columns["pointing_game"][:2].tolist() == [1.0, 0.0]
    assert np.isnan(columns["pointing_game"][2:]).all()  # good tiles do not play
    for truth in kept.truths:
        for row in kept.rows:
            written = scored("net")[truth][row]
            written |= {"validation_iou": written["thresholds"]["validation_iou"]}
            for metric in METRICS:
                value = cluster_parts(metric, kept, truth, row, "source").value
                same = written[metric] == pytest.approx(value, abs=1e-5)
                assert same or (written[metric] is None and np.isnan(value)), metric


def test_a_method_that_does_not_beat_its_controls_is_marked(params):
    write_tiles(params)
    write_maps(params, "net")
    right, wrong = np.load(stage.maps_folder("net") / "cam.npy")[[0, 5]]
    line = stage.score(params, "net")
    assert scored("net")["boxes"]["cam"]["beats_controls"] is True
    assert "beats_controls" not in scored("net")["boxes"]["random_map"]
    assert "BEAT" not in line
    np.save(stage.maps_folder("net") / "cam.npy", np.stack([wrong] * 8))
    line = stage.score(params, "net")
    assert scored("net")["boxes"]["cam"]["beats_controls"] is False
    assert "DOES NOT BEAT ITS CONTROLS" in line
    assert open_scores(stage.scores_folder("net")).rows["cam"].beats_controls == {"boxes": False, "exact": False}
    # a good map that the model with randomised weights gives as well shows nothing of the model
    np.save(stage.maps_folder("net") / "cam.npy", np.stack([right] * 8))
    np.save(stage.maps_folder("net") / "cam_randomised.npy", np.stack([right] * 8))
    described = json.loads((stage.maps_folder("net") / "settings.json").read_text())
    control = json.loads(json.dumps(described["methods"]["cam"]).replace('"cam"', '"cam_randomised"'))
    described["methods"]["cam_randomised"] = control
    described["order"].append("cam_randomised")
    (stage.maps_folder("net") / "settings.json").write_text(json.dumps(described))
    stage.score(params, "net")
    assert scored("net")["boxes"]["cam"]["beats_controls"] is False


def test_the_weight_of_novelty_is_chosen_and_the_distance_alone_is_a_control(params):
    """CNN: the maps of weight 2 are right on validation tiles, those of 0 wrong; the distance is right everywhere."""
    write_tiles(params)
    write_maps(params, "net")
    right, wrong = np.load(stage.maps_folder("net") / "cam.npy")[[0, 5], 0]
    described = json.loads((stage.maps_folder("net") / "settings.json").read_text())
    cells = {key: described["methods"]["cam"][key] for key in ("cell_px", "offset_px")}
    weights = [{"name": f"weight_{weight:g}", "fusion": "novelty", "discard": weight} for weight in (0.0, 2.0)]
    described["methods"]["novelty"] = {**cells, "settings": weights, "varies": "weight"}
    alone = [{"name": "novelty_distance", "fusion": "novelty_distance", "discard": 0.0}]
    described["methods"]["novelty_distance"] = {**cells, "settings": alone, "control": True}
    described["order"] = ["novelty", "cam", "novelty_distance"]
    np.save(stage.maps_folder("net") / "novelty.npy", np.stack([[wrong, right]] * 8))
    np.save(stage.maps_folder("net") / "novelty_distance.npy", np.stack([[right]] * 8))
    (stage.maps_folder("net") / "settings.json").write_text(json.dumps(described))
    line = stage.score(params, "net")
    assert line.startswith("score net, novelty, weight 2: ") and "DOES NOT BEAT ITS CONTROLS" in line
    boxes, rows = scored("net")["boxes"], open_scores(stage.scores_folder("net")).rows
    assert boxes["novelty"]["discard"] == 2.0 and rows["novelty"].own and not rows["novelty"].control
    assert rows["novelty_distance"].control and "beats_controls" not in boxes["novelty_distance"]
    assert boxes["cam"]["beats_controls"] is False  # every method of the run is held against the distance
    assert {row["discard"] for row in settings("net") if row["fusion"] == "novelty"} == {"0.0", "2.0"}


def test_strata_by_kind_and_area(params):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    with stage.plot_file("strata", "net", ".csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["row"] == "cam" and row["truth"] == "boxes"]
    # both defective test tiles have the same kind and area
    assert {(row["by"], row["stratum"], row["tiles"]) for row in rows} == {
        ("kind", "short", "2"),
        ("area", "small", "2"),
        ("area", "medium", "0"),
        ("area", "large", "0"),
    }
    f1 = {row["stratum"]: row["value"] for row in rows if row["metric"] == "f1"}
    assert f1 == {"short": "0.5", "small": "0.5", "medium": "", "large": ""}  # tp 16, fp 16, fn 16: no false alarm
