"""Stage rank on scores of a few tiles written by hand."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages import rank as stage
from stages.datasets.scores import Row, write_scores
from stages.runtime.errors import InputError
from stages.runtime.params import Model, read_params
from stages.runtime.records import rounded, write_json

TILES = [f"board{n}.jpg@{x},0" for n in range(4) for x in range(2)]


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    models = {"full": Model("cnn"), "down": Model("cnn"), "deit": Model("vit")}
    rule = replace(real.rank, truth="boxes", metrics=("f1", "pointing_game"), resamples=200)
    return replace(real, models=models, rank=rule)


def with_rank(params, **changes):
    return replace(params, rank=replace(params.rank, **changes))


def tiles(hits, tp):
    """Eight tiles of 100 px, two a board: 10 px of truth each, `tp` of them found and as many false alarms."""
    count = len(TILES)
    counts = {"tp": tp, "fp": tp, "fn": 10 - tp, "tn": 90 - tp}
    columns = {name: np.full(count, value) for name, value in counts.items()}
    return columns | {"pointing_game": np.array(hits, float)}


def write_model(model, rows, family, truths=("boxes",), ids=TILES, latency_ms=10.0, gain=0.1):
    index = pd.DataFrame({"tile_id": ids, "source": [name.split("@")[0] for name in ids], "group": "g"})
    index["group"] = [name[:6] for name in ids]
    own = "cam" if family == "cnn" else "rollout"
    described, tables = {}, []
    for name, columns in rows.items():
        fusion = name.split("_")[-1] if name.startswith("rollout") else name
        is_own = name.startswith(own)
        described[name] = Row(
            name.split("_")[0] if is_own else name, fusion, 0.0, 0, False, is_own, dict.fromkeys(truths, True)
        )
        tables += [pd.DataFrame(columns)[: len(ids)].assign(truth=truth, row=name, tile_id=ids) for truth in truths]
    table = pd.concat(tables) if tables else None
    write_scores(stage.scores_folder(model), table, index.assign(defective=True), described, next(iter(rows), ""))
    write_json(stage.metrics_file("time", model), {model: {own: {"median_ms": latency_ms}}})
    areas = {"deletion": 0.5 - gain, "random_deletion": 0.5, "insertion": 0.5 + gain, "random_insertion": 0.5}
    path = stage.perturb_file(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.concat([index.assign(fill=fill, best=True, **areas) for fill in ("mean", "blur")]).to_parquet(path)


def write_all(**options):
    write_model("full", {"cam": tiles([1, 0] * 4, 4)}, "cnn", latency_ms=10.0, **options)
    write_model("down", {"cam": tiles([1] * 8, 5), "gradcam": tiles([0] * 8, 9)}, "cnn", latency_ms=12.0, **options)
    rows = {
        "rollout_min": tiles([math.nan] * 8, 2),
        "rollout_mean": tiles([1, 0, 0, 0] * 2, 4),
        "rollout_max": tiles([0] * 8, 3),
    }
    write_model("deit", rows, "vit", latency_ms=11.0, gain=0.2, **options)


def ranking():
    return json.loads(stage.RANK_METRICS.read_text())


def lines(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_ranks_verdict_and_plots(params):
    write_all()
    line = stage.rank(params)
    result = ranking()
    down = result["cnn"]["down"]
    assert (down["ranks"], down["average_rank"], down["undefined"]) == ({"f1": 1, "pointing_game": 1}, 1.0, 0)
    assert (down["average_rank_low"], down["average_rank_high"], down["best_probability"]) == (1.0, 1.0, 1.0)
    assert (down["seeds"], down["beats_controls"]) == (1, True)
    assert result["cnn"]["full"]["best_probability"] == 0.0
    assert set(result["vit"]) == {"deit_fmin", "deit_fmean", "deit_fmax"}
    worst = result["vit"]["deit_fmin"]
    assert (worst["ranks"], worst["undefined"]) == ({"f1": 3, "pointing_game": 3}, 1)
    assert worst["best_probability_overall"] == 0.0
    f1 = {tp: 2 * tp / (2 * tp + 10) for tp in (4, 5)}  # 2 tp / (2 tp + fp + fn)
    verdict = result["verdict"]
    assert (verdict["best_cnn"], verdict["best_vit"], verdict["truth"]) == ("down", "deit_fmean", "boxes")
    assert verdict["improvement_percent"]["pointing_game"] == 300.0
    apart = verdict["cnn_minus_vit"]["boxes"]["f1"]
    # all tiles are alike, so no resample differs
    assert apart["value"] == apart["low"] == apart["high"] == pytest.approx(f1[5] - f1[4], abs=1e-5)
    assert (apart["better"], apart["cnn_wins_probability"]) == ("cnn", 1.0)
    assert line.startswith(
        "rank by boxes: best CNN down (average rank 1.00 of 2); best ViT deit_fmean (average rank 1.00 of 3); "
        "down - deit_fmean against boxes: f1 +0.056 [+0.056, +0.056], pointing_game +0.750 ["
    )
    assert "undefined values, ranked last: 1" in line

    rows = lines(stage.RANK_PLOT)
    assert len(rows) == 5 * 3
    assert rows[0] == {
        "family": "cnn",
        "model": "down",
        "metric": "f1",
        "rank": "1",
        "value": "0.5",
        "low": "0.5",
        "high": "0.5",
        "between_seeds": "",
    }
    assert (rows[2]["metric"], rows[2]["rank"], rows[2]["low"], rows[2]["high"]) == ("average", "1.0", "1.0", "1.0")
    undefined = next(row for row in rows if row["model"] == "deit_fmin" and row["metric"] == "pointing_game")
    assert (undefined["value"], undefined["low"]) == ("", "")
    assert len(lines(stage.TRUTHS_PLOT)) == 5 * 2


def test_intervals_are_of_clusters(params):
    """Boards 0 and 2 always hit, 1 and 3 never: two tiles of a board add no certainty."""
    write_all()
    write_model("full", {"cam": tiles([1, 1, 0, 0] * 2, 4)}, "cnn")
    stage.rank(with_rank(params, resamples=2000))
    row = next(r for r in lines(stage.RANK_PLOT) if r["model"] == "full" and r["metric"] == "pointing_game")
    assert (float(row["low"]), float(row["value"]), float(row["high"])) == (0.0, 0.5, 1.0)  # 1 in 16 draws has none


def test_one_cluster_gives_no_interval(params):
    write_all(ids=TILES[:2])
    line = stage.rank(params)
    assert ranking()["cnn"]["down"]["average_rank_low"] is None
    assert ranking()["cnn"]["down"]["best_probability"] is None
    assert ranking()["verdict"]["cnn_minus_vit"]["boxes"]["f1"]["better"] == "undecided"
    assert "[+nan, +nan]" in line


def test_both_truths_stand_side_by_side(params):
    write_all(truths=("boxes", "exact"))
    line = stage.rank(with_rank(params, truth="exact"))
    assert line.startswith("rank by exact: ")
    assert "down - deit_fmean against boxes: " in line and "down - deit_fmean against exact: " in line
    assert {row["truth"] for row in lines(stage.TRUTHS_PLOT)} == {"boxes", "exact"}


def test_every_method_of_every_model_where_wanted(params):
    write_all()
    stage.rank(with_rank(params, methods="all"))
    assert set(ranking()["cnn"]) == {"full", "down", "down_gradcam"}
    assert ranking()["cnn"]["down_gradcam"]["latency_ms"] is None  # the time stage did not measure it


def test_seeds_are_averaged_and_their_spread_is_told(params):
    write_all()
    write_model("again", {"cam": tiles([0] * 8, 5)}, "cnn")
    models = {"full": Model("cnn"), "down": Model("cnn"), "again": Model("cnn", of="down"), "deit": Model("vit")}
    stage.rank(replace(params, models=models))
    assert set(ranking()["cnn"]) == {"full", "down"}
    assert ranking()["cnn"]["down"]["seeds"] == 2
    row = next(r for r in lines(stage.RANK_PLOT) if r["model"] == "down" and r["metric"] == "pointing_game")
    assert (float(row["value"]), float(row["between_seeds"])) == (0.5, pytest.approx(math.sqrt(0.5), abs=1e-5))
    with pytest.raises(InputError, match=r"data/scores/again: has no gradcam, which down has; explain it again"):
        stage.rank(with_rank(replace(params, models=models), methods="all"))


def test_the_pareto_front(params):
    write_all()
    stage.rank(params)
    on = {name: row["on_pareto_front"] for family in ("cnn", "vit") for name, row in ranking()[family].items()}
    # down is the best and slowest, full the fastest; deit_fmean is as good as full and slower
    assert {name for name, front in on.items() if front} == {"full", "down"}


def test_quality_against_time(params):
    write_all(truths=("boxes", "exact"))
    stage.rank(params)
    rows = [row for row in lines(stage.LATENCY_PLOT) if row["truth"] == "boxes"]
    assert [row["model"] for row in rows] == ["full", "down", "deit_fmin", "deit_fmean", "deit_fmax"]
    front = {row["model"] for row in rows if row["on_front"] == "1"}
    assert front == {n for own in ("cnn", "vit") for n, row in ranking()[own].items() if row["on_pareto_front"]}
    assert {row["model"] for row in rows if row["best_of_classifier"] == "1"} == {"full", "down", "deit_fmean"}
    f1 = {tp: 2 * tp / (2 * tp + 10) for tp in (4, 5)}
    full = rows[0]
    assert (full["classifier"], full["explanation"], full["metric"], full["latency_ms"]) == (
        "full",
        "cam",
        "f1",
        "10.0",
    )
    assert float(full["value"]) == pytest.approx(f1[4], abs=1e-5)
    # all tiles are alike, so no resample differs
    assert {float(full[name]) for name in ("behind", "behind_low", "behind_high")} == {rounded(f1[5] - f1[4])}
    assert rows[1]["behind"] == "0.0"
    assert len(lines(stage.LATENCY_PLOT)) == 2 * len(rows)


def test_faithfulness_of_the_families_and_flips_with_the_fill(params):
    write_all()
    line = stage.rank(params)
    faithful = ranking()["faithfulness"]
    assert faithful["deletion_mean"]["cnn"] == pytest.approx(0.1)
    assert faithful["deletion_mean"]["vit"] == pytest.approx(0.2)
    assert faithful["deletion_mean"]["better"] == "vit"
    assert faithful["fill_flips_order"] == {"deletion": False, "insertion": False}
    assert line.endswith("the fill flips nothing")
    table = pd.read_parquet(stage.perturb_file("deit"))
    table.loc[table["fill"] == "blur", "deletion"] = 0.49
    table.to_parquet(stage.perturb_file("deit"))
    assert stage.rank(params).endswith("the fill flips deletion")
    table.iloc[1:].to_parquet(stage.perturb_file("deit"))
    with pytest.raises(InputError, match=r"data/perturb/deit.parquet: other tiles than the other models'"):
        stage.rank(params)


def test_a_family_without_models_and_one_with_one(params):
    write_all()
    line = stage.rank(replace(params, models={"down": Model("cnn")}))
    assert ranking()["cnn"]["down"]["average_rank"] == 1.0
    assert ranking()["vit"] == {}
    sentence = "best CNN down (average rank 1.00 of 1); no ViT to rank"
    expected = {"truth": "boxes", "best_cnn": "down", "best_vit": None, "sentence": sentence}
    assert ranking()["verdict"] == expected
    assert line == f"rank by boxes: {sentence}"


def test_a_data_set_with_labels_only_has_nothing_to_rank_but_faithfulness(params):
    write_all(truths=())
    line = stage.rank(params)
    assert "no annotated area" in line and "gain over random" in line
    assert ranking()["cnn"] == {}
    assert ranking()["faithfulness"]["deletion_mean"]["better"] == "vit"
    assert stage.RANK_PLOT.read_text() == "family,model,metric,rank,value,low,high,between_seeds\n"
    assert lines(stage.TRUTHS_PLOT) == lines(stage.LATENCY_PLOT) == []


def test_bad_input_is_named(params):
    with pytest.raises(InputError, match=r"data/scores/full/rows.json: missing; run the stage"):
        stage.rank(params)
    write_all()
    with pytest.raises(InputError, match=r"rank.metrics has 'dice'; known: f1, precision"):
        stage.rank(with_rank(params, metrics=("f1", "dice")))
    with pytest.raises(InputError, match=r"rank.truth is 'exact', but .*full has only boxes; use -S rank.truth=boxes"):
        stage.rank(with_rank(params, truth="exact"))
    stage.perturb_file("down").unlink()
    with pytest.raises(InputError, match=r"data/perturb/down.parquet: missing; run the perturb stage"):
        stage.rank(params)
    write_all()
    write_json(stage.metrics_file("time", "full"), {"other": {}})
    with pytest.raises(InputError, match=r"time/full.json: not as time writes it"):
        stage.rank(params)
    write_all()
    write_model("down", {"cam": tiles([1] * 8, 5)}, "cnn", ids=TILES[:6])
    with pytest.raises(
        InputError, match=r"data/scores/down: scored on 6 tiles against boxes, but data/scores/full on 8"
    ):
        stage.rank(params)
    table = pd.read_parquet(stage.scores_folder("down") / "tiles.parquet")
    table[1:].to_parquet(stage.scores_folder("down") / "tiles.parquet")
    with pytest.raises(InputError, match=r"data/scores/down: cam against boxes has other tiles than index.parquet"):
        stage.rank(params)
    assert not stage.RANK_METRICS.exists()
