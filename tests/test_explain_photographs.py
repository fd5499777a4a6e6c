"""Stage explain on the tiles of test photographs that are in no split."""

from dataclasses import replace

import pandas as pd

from stages.explain import explain
from stages.explainers.methods import Explain
from stages.explainers.settings import Methods
from stages.heatmaps.maps import open_maps
from stages.heatmaps.photographs import NOT_ASKED, open_photographs
from stages.records.paths import maps_folder, split_file
from stages.runtime.params import Params
from tests.parameters import but
from tests.test_explain import files, params, write_model

__all__ = ["params"]  # a fixture


def test_the_rest_of_test_photographs_lies_apart_and_changes_nothing_else(params: Params) -> None:
    write_model("vit")
    index = maps_folder("vit").parents[1] / "tiles" / params.dataset_name / "index.parquet"
    table = pd.read_parquet(index)
    pd.DataFrame(table).assign(source=["a.jpg"] * 3 + ["b.jpg"] * 5).to_parquet(index)
    splits = ["train", "val", "val", "test", "unused", "unused", "test", "unused"]
    pd.DataFrame({"tile_id": table["tile_id"], "split": splits}).to_parquet(split_file(params.dataset_name))
    found = {}
    for which in ("none", "own", "all"):
        given = replace(params.read(Explain), methods=Methods(("cam",), ("rollout", "gradcam")), photographs=which)
        line = explain(but(params, explain=given), "vit")
        found[which] = {name: own for name, own in files("vit").items() if not name.startswith("photographs/")}
        rest, left_out = open_photographs(maps_folder("vit"))
        if which == "none":
            assert rest is None and left_out == NOT_ASKED and line.startswith("explain vit: 4 tiles, rollout x 12")
            continue
        assert left_out is None and rest is not None and "4 tiles and 3 more of test photographs, rollout" in line
        assert rest.index["tile_id"].tolist() == [f"board.jpg@{x},0" for x in (4, 5, 7)]
        assert list(rest.methods) == (["rollout"] if which == "own" else ["rollout", "gradcam", "rollout_randomised"])
        assert rest.primary.cell_px == open_maps(maps_folder("vit")).primary.cell_px
    assert found["none"] == found["own"] == found["all"]
