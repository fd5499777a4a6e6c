"""What rank writes besides ranks, of a few tiles written by hand: record, times, Pareto front, faithfulness."""

import json

import numpy as np
import pandas as pd
import pytest

from stages import rank as stage
from stages.ranking.record import Estimate, read_ranking
from stages.records.files import rounded, write_json
from stages.records.paths import (
    LATENCY_PLOT,
    RANK_PLOT,
    TRUTHS_PLOT,
    metrics_file,
    perturb_file,
)
from stages.runtime.errors import InputError
from tests.rank_records import BOARDS, WOBBLE, lines, pooled_f1, ranking, small_params, write_all


@pytest.fixture
def params(tmp_path, monkeypatch):
    params = small_params()
    monkeypatch.chdir(tmp_path)
    return params


def test_the_record_has_every_digit_of_what_the_plots_round(params):
    write_all(truths=("boxes", "exact"))
    line = stage.rank(params)
    record = read_ranking()
    assert line.startswith(f"rank by boxes: {record.sentence}; gain over random")
    assert (record.truth, record.metrics, record.truths) == ("boxes", ("f1", "pointing_game"), ["boxes", "exact"])
    full, down = record.against("boxes")[:2]
    assert (full.scores["f1"].value, full.behind.value) == (pooled_f1(4), 0.5 - pooled_f1(4))
    for standing, row in zip(record.standings, lines(LATENCY_PLOT), strict=True):
        assert row["truth"] == standing.truth and row["model"] == standing.explanation.name
        assert row["low"] == f"{rounded(standing.scores['f1'].low)}"
    assert down.average_rank == Estimate(1.0, 1.0, 1.0, BOARDS)


def test_each_row_has_the_time_of_its_own_setting(params):
    write_all()
    stage.rank(params)
    assert {name: row["latency_ms"] for name, row in ranking()["vit"].items()} == {
        "deit_fmin": 13.0,
        "deit_fmean": 11.0,
        "deit_fmax": 14.0,
    }
    times = json.loads(metrics_file("time", "deit").read_text())
    times["deit"]["settings"]["rollout"]["max"] = {"0": {"median_ms": 9.0}}  # of another discard ratio
    write_json(metrics_file("time", "deit"), times)
    with pytest.raises(
        InputError, match=r"time/deit.json: nothing measured of rollout, fusion max, discard 0.5 .*run the time stage"
    ):
        stage.rank(params)


def test_the_pareto_front(params):
    write_all()
    stage.rank(params)
    on = {name: row["on_pareto_front"] for family in ("cnn", "vit") for name, row in ranking()[family].items()}
    # down is the best and slowest, full the fastest; deit_fmean is as good as full and slower
    assert {name for name, front in on.items() if front} == {"full", "down"}


def test_quality_against_time(params):
    write_all(truths=("boxes", "exact"))
    stage.rank(params)
    rows = [row for row in lines(LATENCY_PLOT) if row["truth"] == "boxes"]
    assert [row["model"] for row in rows] == ["full", "down", "deit_fmin", "deit_fmean", "deit_fmax"]
    assert [row["place"] for row in rows] == ["2", "1", "5", "3", "4"]
    front = {row["model"] for row in rows if row["on_front"] == "1"}
    assert front == {n for own in ("cnn", "vit") for n, row in ranking()[own].items() if row["on_pareto_front"]}
    assert {row["model"] for row in rows if row["best_of_classifier"] == "1"} == {"full", "down", "deit_fmean"}
    full = rows[0]
    about = tuple(full[name] for name in ("classifier", "explanation", "metric", "latency_ms", "clusters"))
    assert about == ("full", "cam", "f1", "10.0", str(BOARDS))
    assert float(full["value"]) == pytest.approx(pooled_f1(4), abs=1e-5)
    assert float(full["behind"]) == pytest.approx(0.5 - pooled_f1(4), abs=2e-5)
    assert (rows[1]["behind"], rows[1]["behind_low"], rows[1]["told_apart"]) == ("0.0", "0.0", "")
    assert len(lines(LATENCY_PLOT)) == 2 * len(rows)


def test_faithfulness_of_the_families_and_flips_with_the_fill(params):
    write_all()
    line = stage.rank(params)
    faithful = ranking()["faithfulness"]
    assert (faithful["cnn"], faithful["vit"]) == ("full, down", "deit")
    own = faithful["deletion_mean"]
    assert (own["cnn_value"], own["vit_value"]) == pytest.approx((0.1, 0.2))
    assert faithful["fill_flips_order"] == {"deletion": "undecided", "insertion": "undecided"}  # boards agree exactly
    table = pd.read_parquet(perturb_file("deit"))
    blur = (table["fill"] == "blur").to_numpy()
    unlike = np.tile(0.01 * WOBBLE, 2)[::-1]
    table["deletion"] = np.where(blur, 0.7, 0.3) + unlike
    table["insertion"] = 0.7 + unlike
    table.to_parquet(perturb_file("deit"))
    line = stage.rank(params)
    faithful = ranking()["faithfulness"]
    assert [faithful[f"deletion_{fill}"]["better"] for fill in ("mean", "blur")] == ["vit", "cnn"]
    assert faithful["fill_flips_order"] == {"deletion": "yes", "insertion": "no"}
    assert line.endswith("the fill flips it: deletion yes, insertion no")
    table.iloc[1:].to_parquet(perturb_file("deit"))
    with pytest.raises(InputError, match=r"data/perturb/deit.parquet: other tiles than the other models'"):
        stage.rank(params)


def test_a_data_set_with_labels_only_has_nothing_to_rank_but_faithfulness(params):
    write_all(truths=())
    line = stage.rank(params)
    assert "no annotated area" in line and "gain over random" in line
    assert ranking()["cnn"] == {}
    assert ranking()["faithfulness"]["deletion_mean"]["vit_value"] == pytest.approx(0.2)
    assert RANK_PLOT.read_text() == "family,model,metric,rank,value,low,high,clusters,between_seeds\n"
    assert lines(TRUTHS_PLOT) == lines(LATENCY_PLOT) == []
    assert read_ranking().standings == () and "no annotated area" in read_ranking().sentence
