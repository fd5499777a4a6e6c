"""Photographs of a few tiles on disk, scored by stage score: every number worked out by hand."""

import csv
import json
import math

import numpy as np
import pandas as pd
import pytest

from stages import score as stage
from stages.heatmaps.photographs import NOT_ASKED, REST, open_photographs, rest_of_photographs, write_about
from stages.ranking.cluster_scores import cluster_parts
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.scores.scores import open_scores
from stages.scoring.settings import Score
from tests.parameters import but
from tests.score_records import PX

GRID = [(0, 0), (14, 0), (0, 14), (14, 14)]  # tiles of 16 px that share 2: 30 x 30 px
# photograph, place, split, logit, corner of the defect (row, column) or None, corner that the map lights up
TILES = [
    *(("val.png", at, "val", 2.0 - 4 * (at != (0, 0)), (4, 4) if at == (0, 0) else None, (4, 4)) for at in GRID),
    ("bad.png", (0, 0), "test", 3.0, (4, 4), (4, 4)),  # found first
    ("bad.png", (14, 0), "test", 1.0, None, (8, 8)),  # a false region
    ("bad.png", (0, 14), "unused", 0.0, None, (8, 8)),  # another, later
    ("bad.png", (14, 14), "unused", -1.0, (4, 4), (4, 4)),  # found last: a defect too small for the label
    ("good.png", (0, 0), "test", 2.0, None, (8, 8)),  # a false region before the second of the other photograph
    ("good.png", (14, 0), "unused", -9.0, None, None),  # its map is constant
    ("good.png", (0, 14), "unused", -9.0, None, None),
]  # the fourth tile of good.png was not cut


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    return but(real, score={**real.get("score"), "tolerance_px": 0, "min_region_px": 4})


def square(corner):
    mask = np.zeros((PX, PX), bool)
    if corner is not None:
        mask[corner[0] : corner[0] + 4, corner[1] : corner[1] + 4] = True
    return mask


def write_tiles(params, tiles=TILES, size=PX):
    folder = stage.tiles_folder(params.dataset_name)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images-0000.npy", np.zeros((len(tiles), PX, PX, 3), np.uint8))
    truth = np.stack([square(tile[4]) for tile in tiles])
    np.save(folder / "boxes-0000.npy", np.packbits(truth, axis=2))
    label = ["defective" if tile[4] and tile[2] != "unused" else "good" for tile in tiles]
    columns = {
        "tile_id": [f"{source}@{x},{y}" for source, (x, y), *_ in tiles],
        "source": [tile[0] for tile in tiles],
        "group": [tile[0][:3] for tile in tiles],
        "label": label,
        "defect_class": label,
        **dict.fromkeys(("official", "pixels_sha", "annotation"), ""),
    }
    numbers = {"x": [tile[1][0] for tile in tiles], "y": [tile[1][1] for tile in tiles], "row": range(len(tiles))}
    numbers |= {"width": size, "height": size, "shard": 0, "defect_px": truth.sum((1, 2)), "exact_px": -1}
    index = pd.DataFrame(columns).assign(**{name: np.asarray(own, np.int32) for name, own in numbers.items()})
    index.to_parquet(folder / "index.parquet", index=False)
    return index.assign(split=[tile[2] for tile in tiles])


def write_maps(index, tiles=TILES):
    """Write maps at tile resolution: those of the splits, and apart from them the rest."""
    for folder, splits in ((stage.maps_folder("net"), ("val", "test")), (stage.maps_folder("net") / REST, ("unused",))):
        rows = np.flatnonzero(index["split"].isin(splits))
        if not len(rows):
            continue
        folder.mkdir(parents=True)
        np.save(folder / "cam.npy", np.stack([[square(tiles[row][5])] for row in rows]).astype(np.float16))
        logit = np.array([tiles[row][3] for row in rows], np.float32)
        index.iloc[rows][["tile_id", "split", "label"]].assign(logit=logit).to_parquet(folder / "index.parquet")
        setting = {"name": "cam", "fusion": "cam", "discard": 0.0}
        described = {"model": "net", "family": "cnn", "order": ["cam"]}
        described |= {"methods": {"cam": {"cell_px": 1, "offset_px": 0, "settings": [setting]}}}
        (folder / "settings.json").write_text(json.dumps(described), encoding="utf-8")
    write_about(stage.maps_folder("net"), None)


def scored(params):
    line = stage.score(params, "net")
    return json.loads(stage.metrics_file("score", "net").read_text())["net"]["photographs"], line


def test_every_tile_of_a_photograph_counts(params):
    write_maps(write_tiles(params))
    found, line = scored(params)
    assert (found["left_out"], found["count"], found["defective"], found["photograph_auroc"]) == (None, 2, 1, 1.0)
    cam = found["scores"]["boxes"]["cam"]
    # thresholds fall: 3 the first defect; 2 a false region in good.png; 1 and 0 two in bad.png; -1 the second defect
    assert (cam["defects"], cam["photograph_pointing_game"]) == (2, 1.0)
    curve = [cam[f"found_at_{most}"] for most in ("1_8", "1_4", "1_2", "1", "2", "4", "8")]
    assert curve == [0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]  # three false regions in two photographs
    assert cam["froc"] == pytest.approx(5 / 7, abs=1e-5)
    assert line.endswith("; 2 photographs, FROC 0.714 by boxes")
    with stage.plot_file("froc", "net", ".csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["row"] == "cam"]
    assert len(rows) == 13 and (rows[0]["found"], rows[-1]["found"]) == ("0.5", "1.0")
    assert float(rows[0]["threshold"]) == pytest.approx(1 / (1 + math.exp(-3)), abs=1e-5)
    # a defect is not beaten by chance alone: controls are scored on the same photographs
    assert set(found["scores"]["boxes"]) == {"cam", "centre_prior", "random_map", "edge_map"}
    assert found["scores"]["boxes"]["edge_map"]["froc"] == 0.0  # constant maps: nothing lights up
    assert found["scores"]["boxes"]["edge_map"]["photograph_pointing_game"] is None

    kept = open_scores(stage.scores_folder("net"))
    parts = cluster_parts("froc", kept, "boxes", "cam", "group")
    assert parts.names.tolist() == ["bad", "goo"] and parts.value == pytest.approx(5 / 7)
    assert cluster_parts("photograph_auroc", kept, "boxes", "cam", "source").value == 1.0
    with pytest.raises(InputError, match=r"rank.metrics has 'froc', but .* has no photographs by gradcam; see"):
        cluster_parts("froc", kept, "boxes", "gradcam", "group")


def test_a_photograph_that_is_one_tile_is_stretched_to_its_pixels(params):
    tiles = [
        ("a.png", (0, 0), "val", 2.0, (4, 4), (4, 4)),
        ("b.png", (0, 0), "val", -2.0, None, (4, 4)),
        ("c.png", (0, 0), "test", 2.0, (4, 4), (4, 4)),
        ("d.png", (0, 0), "test", -2.0, None, (8, 8)),
    ]
    write_maps(write_tiles(params, tiles, size=48), tiles)
    found, _ = scored(but(params, score={**params.get("score"), "min_region_px": 4 * 4 * 9}))
    assert found["count"] == 2 and found["scores"]["boxes"]["cam"]["froc"] == 1.0
    found, _ = scored(but(params, score={**params.get("score"), "min_region_px": 12 * 12 * 4}))  # in its own pixels
    assert found["scores"]["boxes"]["cam"]["froc"] == 0.0


def test_no_photograph_is_told_with_its_reason(params):
    write_maps(write_tiles(params))
    write_about(stage.maps_folder("net"), "3 of 4 test images have tiles in training or validation (split.by)")
    found, line = scored(params)
    assert found == {
        "left_out": "3 of 4 test images have tiles in training or validation (split.by)",
        "count": 0, "defective": None, "photograph_auroc": None, "scores": {},
    }  # fmt: skip
    assert "photographs" not in line
    assert open_scores(stage.scores_folder("net")).photographs is None
    with pytest.raises(InputError, match="has no photographs by cam"):
        cluster_parts("froc", open_scores(stage.scores_folder("net")), "boxes", "cam", "group")


def test_a_tile_without_its_map_is_named(params):
    index = write_tiles(params)
    write_maps(index)
    rest = stage.maps_folder("net") / REST
    table = pd.read_parquet(rest / "index.parquet")
    table.iloc[1:].to_parquet(rest / "index.parquet")
    np.save(rest / "cam.npy", np.load(rest / "cam.npy")[1:])
    with pytest.raises(InputError, match=r"has no heatmap of tile bad.png@0,14; run the explain stage again"):
        stage.score(params, "net")


def test_which_tiles_are_the_rest(params):
    index = write_tiles(params)
    tiles = open_tiles(stage.tiles_folder(params.dataset_name))

    def rest(index, asked=True):
        return rest_of_photographs(Tiles(tiles.folder, index), asked)

    found, left_out = rest(index)
    assert left_out is None and found is not None and set(found.index["split"]) == {REST}
    assert found.index["tile_id"].tolist() == [f"bad.png@{at}" for at in ("0,14", "14,14")] + [
        f"good.png@{at}" for at in ("14,0", "0,14")
    ]
    assert rest(index, asked=False) == (None, NOT_ASKED)
    whole = index[index["split"] != "unused"]
    assert rest(whole) == rest(whole, asked=False) == (None, None)  # nothing has to be explained for it
    by_tile = index.assign(split=index["split"].where(index["tile_id"] != "bad.png@0,14", "train"))
    assert rest(by_tile) == (None, "1 of 2 test images have tiles in training or validation (split.by)")


def test_where_nobody_wrote_of_photographs_explain_has_to_run_again(params):
    write_maps(write_tiles(params))
    (stage.maps_folder("net") / REST / "photographs.json").unlink()
    with pytest.raises(InputError, match=r"photographs.json: missing; run the stage that makes it"):
        open_photographs(stage.maps_folder("net"))


def test_levels_are_those_that_validation_chose(params):
    """A map of 0 and 1 is lit at every level; of the tile's own range 100 of 255 is above the chosen level alone."""
    write_maps(write_tiles(params))
    found, _ = scored(params)
    assert found["scores"]["boxes"]["cam"]["level"] < params.read(Score).intensity_threshold
