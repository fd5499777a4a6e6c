"""Stage score on records that are missing, broken or of something else."""

import numpy as np
import pytest

from stages import score as stage
from stages.runtime.errors import InputError
from tests.score_records import rewrite_index, write_maps, write_tiles
from tests.test_score import with_score


def test_bad_input_is_named_and_earlier_results_stay(params):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    before = stage.metrics_file("score", "net").read_bytes()

    with pytest.raises(InputError, match=r"score.choose_by is 'dice'; expected one of f1, precision, jaccard"):
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
    rewrite_index("net", split="test")
    with pytest.raises(InputError, match=r"data/maps/net: there is no val tile"):
        stage.score(params, "net")
    rewrite_index("net", split="val")
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
