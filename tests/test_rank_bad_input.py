"""Stage rank refuses what it cannot rank in one line that says what to do."""

import pandas as pd
import pytest

from stages import rank as stage
from stages.records.files import write_json
from stages.records.paths import RANK_METRICS, metrics_file, perturb_file, scores_folder
from stages.runtime.errors import InputError
from tests.rank_records import TILES, small_params, tiles, with_rank, write_all, write_model


@pytest.fixture
def params(tmp_path, monkeypatch):
    params = small_params()
    monkeypatch.chdir(tmp_path)
    return params


def test_bad_input_is_named(params):
    with pytest.raises(InputError, match=r"data/scores/full/rows.json: missing; run the stage"):
        stage.rank(params)
    write_all()
    with pytest.raises(InputError, match=r"rank.metrics has 'dice'; known: f1, precision, .*aupro"):
        stage.rank(with_rank(params, metrics=("f1", "dice")))
    with pytest.raises(InputError, match=r"rank.truth is 'exact', but .*full has only boxes; use -S rank.truth=boxes"):
        stage.rank(with_rank(params, truth="exact"))
    perturb_file("down").unlink()
    with pytest.raises(InputError, match=r"data/perturb/down.parquet: missing; run the perturb stage"):
        stage.rank(params)
    write_all()
    write_json(metrics_file("time", "full"), {"other": {}})
    with pytest.raises(InputError, match=r"time/full.json: nothing measured of cam"):
        stage.rank(params)
    write_all()
    write_model("down", {"cam": tiles([1], 5)}, "cnn", ids=TILES[:6])
    with pytest.raises(
        InputError, match=r"data/scores/down: scored on 6 tiles against boxes, but data/scores/full on 12"
    ):
        stage.rank(params)
    table = pd.read_parquet(scores_folder("down") / "tiles.parquet")
    table[1:].to_parquet(scores_folder("down") / "tiles.parquet")
    with pytest.raises(InputError, match=r"data/scores/down: cam against boxes has other tiles than index.parquet"):
        stage.rank(params)
    assert not RANK_METRICS.exists()
