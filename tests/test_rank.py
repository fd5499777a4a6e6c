"""Stage rank on score files written by hand."""

import csv
import json
import math
from dataclasses import replace

import pytest

from stages import rank as stage
from stages.runtime.errors import InputError
from stages.runtime.params import Model, read_params
from stages.runtime.records import write_json


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    models = {"full": Model("cnn"), "down": Model("cnn"), "deit": Model("vit")}
    return replace(real, models=models, rank=replace(real.rank, truth="boxes", metrics=("f1", "pointing_game")))


def with_rank(params, **changes):
    return replace(params, rank=replace(params.rank, **changes))


def values(f1, pointing_game):
    others = {"precision": 0.5, "jaccard": 0.5, "accuracy": 0.5, "recall": 0.5, "area": 0.1, "discard": 0.0}
    return {"f1": f1, "pointing_game": pointing_game, **others}


def write_scores(**truths_by_model):
    for model, truths in truths_by_model.items():
        write_json(stage.metrics_file("score", model), {model: {"classification": {"accuracy": 1.0}, **truths}})


def write_all():
    write_scores(
        full={"boxes": {"cam": values(0.4, 0.6)}},
        down={"boxes": {"cam": values(0.5, 0.9)}},
        deit={"boxes": {"min": values(0.2, math.nan), "mean": values(0.4, 0.3), "max": values(0.3, 0.2)}},
    )


def test_ranks_verdict_and_plot(params):
    write_all()
    line = stage.rank(params)
    ranking = json.loads(stage.RANK_METRICS.read_text())
    assert ranking["cnn"]["down"] == {"ranks": {"f1": 1, "pointing_game": 1}, "average_rank": 1.0, "undefined": 0}
    assert ranking["cnn"]["full"]["average_rank"] == 2.0
    assert set(ranking["vit"]) == {"deit_fmin", "deit_fmean", "deit_fmax"}
    assert ranking["vit"]["deit_fmin"] == {"ranks": {"f1": 3, "pointing_game": 3}, "average_rank": 3.0, "undefined": 1}
    assert ranking["verdict"] == {
        "truth": "boxes",
        "best_cnn": "down",
        "best_vit": "deit_fmean",
        "improvement_percent": {"f1": 25.0, "pointing_game": 200.0},
    }
    assert line == (
        "rank by boxes: best CNN down (average rank 1.00 of 2); best ViT deit_fmean (average rank 1.00 of 3); "
        "CNN over ViT: f1 +25.00 %, pointing_game +200.00 %; undefined values, ranked last: 1"
    )
    with stage.RANK_PLOT.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 3
    assert rows[0] == {"family": "cnn", "model": "down", "metric": "f1", "rank": "1", "value": "0.5"}
    assert rows[2] == {"family": "cnn", "model": "down", "metric": "average", "rank": "1.0", "value": ""}
    assert {"family": "vit", "model": "deit_fmin", "metric": "pointing_game", "rank": "3", "value": ""} in rows


def test_a_family_without_models(params):
    write_all()
    line = stage.rank(replace(params, models={"down": Model("cnn")}))
    ranking = json.loads(stage.RANK_METRICS.read_text())
    assert ranking["cnn"]["down"]["average_rank"] == 1.0
    assert ranking["vit"] == {}
    assert ranking["verdict"] == {"truth": "boxes", "best_cnn": "down", "best_vit": None}
    assert line == "rank by boxes: best CNN down (average rank 1.00 of 1); no ViT to rank"


def test_a_data_set_with_labels_only_has_nothing_to_rank(params):
    write_scores(full={}, down={}, deit={})
    assert "no annotated area" in stage.rank(params)
    assert json.loads(stage.RANK_METRICS.read_text())["cnn"] == {}
    assert stage.RANK_PLOT.read_text() == "family,model,metric,rank,value\n"


def test_bad_input_is_named(params):
    with pytest.raises(InputError, match=r"metrics/score/full.json: missing; run the stage"):
        stage.rank(params)
    write_all()
    with pytest.raises(InputError, match=r"rank.metrics has 'dice'; known: f1, precision"):
        stage.rank(with_rank(params, metrics=("f1", "dice")))
    with pytest.raises(InputError, match=r"rank.metrics names a metric twice"):
        stage.rank(with_rank(params, metrics=("f1", "f1")))
    with pytest.raises(
        InputError, match=r"rank.truth is 'exact', but .*full.json has only boxes; use -S rank.truth=boxes"
    ):
        stage.rank(with_rank(params, truth="exact"))
    write_json(stage.metrics_file("score", "full"), {"other": {}})
    with pytest.raises(InputError, match=r"full.json: has no 'full'"):
        stage.rank(params)
    write_scores(full={"boxes": {"cam": {"f1": 0.5}}})
    with pytest.raises(InputError, match=r"full.json: not as score writes it"):
        stage.rank(params)
    assert not stage.RANK_METRICS.exists()
