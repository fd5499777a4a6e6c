"""Stage score on a tiny data set and heatmaps on disk, in the format that tile and explain write."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages import score as stage
from stages.metrics.localisation import SCORES
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from tests.score_records import PX, write_maps, write_tiles


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    return real


def with_score(params, **changes):
    return replace(params, score=replace(params.score, **changes))


def scored(model):
    return json.loads((stage.metrics_file("score", model)).read_text())[model]


def settings(model):
    with stage.plot_file("settings", model, ".csv").open() as file:
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
    assert boxes["area"] == pytest.approx(16 / PX**2, abs=1e-5)
    assert boxes["discard"] == 0.0
    # the exact mask is the upper half of the box
    exact = result["exact"]["cam"]
    assert exact["area"] == pytest.approx(8 / PX**2, abs=1e-5)
    assert exact["precision"] == pytest.approx(8 / 48, abs=1e-5)

    rows = settings("net")
    assert len(rows) == 2 * 2 * len(SCORES)  # truths, splits, scores
    (row,) = (r for r in rows if (r["truth"], r["split"], r["metric"]) == ("boxes", "test", "f1"))
    assert (row["fusion"], row["discard"], float(row["value"])) == ("cam", "0.0", boxes["f1"])
    assert line.startswith("score net, cam: average precision 1.000 on 4 test tiles; against boxes f1 ")
    assert stage.plot_file("gallery", "net", ".png").stat().st_size < 400_000


def test_validation_chooses_the_discard_ratio_and_test_scores_it(params):
    write_tiles(params)
    write_maps(params, "vit", family="vit")
    stage.score(params, "vit")
    result = scored("vit")
    assert set(result["boxes"]) == {"min", "mean", "max"}
    # "max" is right on validation tiles at 0.9 and on test tiles at 0.0; validation decides
    assert result["boxes"]["max"]["discard"] == 0.9
    assert result["exact"]["max"]["discard"] == 0.9
    assert result["boxes"]["max"]["pointing_game"] == 0.0
    # "mean" is the same at both ratios: the smaller one
    assert result["boxes"]["mean"]["discard"] == 0.0
    # "min" is constant: black, and the pointing game cannot be played
    constant = result["boxes"]["min"]
    assert (constant["pointing_game"], constant["precision"]) == (None, None)
    assert (constant["recall"], constant["f1"], constant["discard"]) == (0.0, 0.0, 0.0)
    undefined = [r for r in settings("vit") if r["fusion"] == "min" and r["metric"] == "pointing_game"]
    assert undefined
    assert {r["value"] for r in undefined} == {""}


def test_the_order_of_the_maps_changes_nothing(params):
    write_tiles(params)
    outputs = []
    for order in (range(8), [5, 0, 7, 2, 6, 1, 4, 3]):
        write_maps(params, "vit", family="vit", order=list(order))
        stage.score(params, "vit")
        files = (
            stage.metrics_file("score", "vit"),
            stage.plot_file("settings", "vit", ".csv"),
            stage.plot_file("gallery", "vit", ".png"),
        )
        outputs.append([file.read_bytes() for file in files])
    assert outputs[0] == outputs[1]


def test_chunks_change_nothing(params, monkeypatch):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    whole = scored("net")
    monkeypatch.setattr(stage, "CHUNK_TILES", 3)
    stage.score(params, "net")
    assert scored("net") == whole


def test_a_data_set_with_masks_only(params):
    write_tiles(params, truths=("exact",))
    write_maps(params, "net")
    stage.score(params, "net")
    assert set(scored("net")) == {"classification", "exact"}


def test_a_data_set_with_labels_only(params):
    write_tiles(params, truths=())
    write_maps(params, "vit", family="vit")
    line = stage.score(params, "vit")
    assert set(scored("vit")) == {"classification"}
    assert settings("vit") == []
    assert stage.plot_file("gallery", "vit", ".png").exists()
    assert line == "score vit, min, discard 0: average precision 1.000 on 4 test tiles"


def rewrite_index(model, **columns):
    path = stage.maps_folder(model) / "index.parquet"
    pd.read_parquet(path).assign(**columns).to_parquet(path, index=False)


def test_bad_input_is_named_and_earlier_results_stay(params):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    before = stage.metrics_file("score", "net").read_bytes()

    with pytest.raises(InputError, match=r"score.choose_by is 'dice'; known: f1, precision, jaccard"):
        stage.score(with_score(params, choose_by="dice"), "net")
    with pytest.raises(InputError, match=r"data/maps/other/index.parquet: missing; run the explain stage"):
        stage.score(params, "other")

    rewrite_index("net", tile_id=[f"board.jpg@{x},0" for x in range(7)] + ["elsewhere.jpg@0,0"])
    with pytest.raises(InputError, match=r"data/maps/net: tile elsewhere.jpg@0,0 is not in data/tiles/"):
        stage.score(params, "net")
    rewrite_index("net", tile_id="board.jpg@0,0")
    with pytest.raises(InputError, match=r"index.parquet: a tile is there twice"):
        stage.score(params, "net")

    write_maps(params, "net")
    rewrite_index("net", split="val")
    with pytest.raises(InputError, match=r"data/maps/net: there is no test tile"):
        stage.score(params, "net")
    rewrite_index("net", logit=np.nan)
    with pytest.raises(InputError, match=r"there is no test tile|a logit is not finite"):
        stage.score(params, "net")

    write_maps(params, "net")
    maps = np.load(stage.maps_folder("net") / "cam.npy")
    np.save(stage.maps_folder("net") / "cam.npy", maps[:5])
    with pytest.raises(InputError, match=r"cam.npy: 5 tiles, but index.parquet has 8"):
        stage.score(params, "net")
    maps[3, 0, 1, 1] = np.nan
    np.save(stage.maps_folder("net") / "cam.npy", maps)
    with pytest.raises(InputError, match=r"cam.npy: the heatmap of tile board.jpg@3,0 is not finite"):
        stage.score(params, "net")
    assert stage.metrics_file("score", "net").read_bytes() == before
