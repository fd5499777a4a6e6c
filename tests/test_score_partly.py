"""Stage score where only some images have an exact mask beside their boxes."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages import score as stage
from stages.records.paths import tiles_folder
from stages.runtime.params import read_params
from stages.scores.scores import open_scores
from tests.score_records import PX, TILE_IDS, write_maps, write_tiles


def test_tiles_that_lack_the_exact_truth_are_left_out_of_it_and_counted(tmp_path, monkeypatch):
    """Of the defective test tiles 4 (found) and 5 (not found), 5 has no exact mask: what is scored is tile 4."""
    params = read_params()
    monkeypatch.chdir(tmp_path)
    write_tiles(params)
    write_maps(params, "net")
    folder = tiles_folder(params.dataset_name)
    index, exact = pd.read_parquet(folder / "index.parquet"), np.load(folder / "exact-0000.npy")
    exact[[0, 5]] = 0
    np.save(folder / "exact-0000.npy", exact)
    index.loc[[0, 5], "exact_px"] = -1
    index.assign(source=index["tile_id"], group=index["tile_id"]).to_parquet(folder / "index.parquet", index=False)
    stage.score(params, "net")
    result = json.loads(Path("metrics/score/net.json").read_text())["net"]
    assert result["boxes"]["cam"]["pointing_game"] == 0.5 and result["exact"]["cam"]["pointing_game"] == 1
    assert "without_truth" not in result["boxes"]["cam"]["undefined"]
    assert result["exact"]["cam"]["undefined"] == {"constant_maps": 0, "empty_truths": 0, "without_truth": 1}
    # Tile 4 is lit in 16 px, 8 of them in the mask; tile 6 is good and lit in 16 px, too; tile 5 counts for nothing.
    assert result["exact"]["cam"]["precision"] == 0.25 and result["exact"]["cam"]["recall"] == 1
    scores = open_scores(Path("data/scores/net"))
    assert scores.columns("exact", "cam")["tp"].tolist() == [8, 0, 0, 0]
    assert scores.columns("exact", "cam")["fp"].tolist() == [8, 0, 16, 0]
    sources, parts = scores.histograms("exact", "cam", "raw")
    pixels = dict(zip(sources, (parts["inside"] + parts["outside"]).sum(axis=1), strict=True))
    assert [pixels[name] for name in TILE_IDS[4:]] == [PX**2, 0, PX**2, PX**2]
    with Path("plots/strata/net.csv").open() as file:
        kinds = [line for line in csv.DictReader(file) if line["by"] == "kind" and line["row"] == "cam"]
    assert {line["truth"]: line["tiles"] for line in kinds} == {"boxes": "2", "exact": "1"}
