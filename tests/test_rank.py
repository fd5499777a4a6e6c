"""Stage rank on scores of a few tiles written by hand."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages import rank as stage
from stages.metrics.clusters import ratio_parts
from stages.metrics.intervals import Jackknife, shares_of
from stages.metrics.table import METRICS
from stages.models.settings import Model
from stages.ranking.record import Estimate, read_ranking
from stages.ranking.settings import Rank
from stages.records.files import rounded, write_json
from stages.records.paths import (
    LATENCY_PLOT,
    RANK_METRICS,
    RANK_PLOT,
    TRUTHS_PLOT,
    metrics_file,
    perturb_file,
    scores_folder,
)
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from tests.parameters import but
from tests.rank_records import BOARDS, TILES, WOBBLE, pooled_f1, tiles, write_all, write_model


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    models = {"full": Model("cnn"), "down": Model("cnn"), "deit": Model("vit")}
    rule = replace(real.read(Rank), truth="boxes", metrics=("f1", "pointing_game"), resamples=200)
    return but(real, models=models, rank=rule)


def with_rank(params, **changes):
    return but(params, rank=replace(params.read(Rank), **changes))


def ranking():
    return json.loads(RANK_METRICS.read_text())


def lines(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def rank_line(model, metric):
    return next(row for row in lines(RANK_PLOT) if (row["model"], row["metric"]) == (model, metric))


def test_ranks_verdict_and_plots(params):
    write_all()
    line = stage.rank(params)
    result = ranking()
    down = result["cnn"]["down"]
    assert (down["ranks"], down["average_rank"], down["undefined"]) == ({"f1": 1, "pointing_game": 1}, 1.0, 0)
    ends = (down["average_rank_low_in_resamples"], down["average_rank_high_in_resamples"])
    assert (*ends, down["best_in_resamples"], down["clusters"]) == (1.0, 1.0, 1.0, BOARDS)
    assert (down["seeds"], down["beats_controls"], down["seeds_that_beat_controls"]) == (1, True, 1)
    assert result["cnn"]["full"]["best_in_resamples"] == 0.0
    assert set(result["vit"]) == {"deit_fmin", "deit_fmean", "deit_fmax"}
    worst = result["vit"]["deit_fmin"]
    assert (worst["ranks"], worst["undefined"]) == ({"f1": 3, "pointing_game": 3}, 1)
    assert worst["best_overall_in_resamples"] == 0.0
    verdict = result["verdict"]
    assert (verdict["best_cnn"], verdict["best_vit"], verdict["truth"]) == ("down", "deit_fmean", "boxes")
    assert (verdict["best"], verdict["best_by"]) == ("down", "average_rank")
    assert verdict["improvement_percent"]["pointing_game"] == 300.0
    against = verdict["cnn_minus_vit"]["boxes"]
    assert (against["cnn"], against["vit"]) == ("down", "deit_fmean")
    apart = against["f1"]
    assert (apart["cnn_value"], apart["vit_value"]) == pytest.approx((0.5, pooled_f1(4)), abs=1e-5)
    assert apart["value"] == pytest.approx(0.5 - pooled_f1(4), abs=1e-5)
    assert apart["low"] < apart["value"] < apart["high"]
    assert (apart["better"], apart["clusters"]) == ("cnn", BOARDS)
    assert 0.975 < apart["cnn_wins_probability"] < 1
    assert line.startswith(
        "rank by boxes: best CNN down (average rank 1.00 of 2); best ViT deit_fmean (average rank 1.00 of 3); "
        "down - deit_fmean against boxes: f1 +0.056 ["
    )
    assert f"] (clusters: {BOARDS}); undefined values, ranked last: 1; gain over random" in line

    assert len(lines(RANK_PLOT)) == 5 * 3
    first = rank_line("down", "f1")
    assert (first["family"], first["rank"], first["value"], first["between_seeds"]) == ("cnn", "1", "0.5", "")
    assert float(first["low"]) < 0.5 < float(first["high"]) and first["clusters"] == str(BOARDS)
    average = rank_line("down", "average")
    assert (average["rank"], average["low"], average["high"], average["value"]) == ("1.0", "1.0", "1.0", "")
    undefined = rank_line("deit_fmin", "pointing_game")
    assert (undefined["value"], undefined["low"], undefined["clusters"]) == ("", "", "0")
    truths = lines(TRUTHS_PLOT)
    assert len(truths) == 5 * 2 and {row["clusters"] for row in truths} == {"0", str(BOARDS)}


@pytest.mark.parametrize(("cluster", "names"), [("image", TILES), ("group", [name[:6] for name in TILES])])
def test_intervals_are_of_the_clusters_that_params_name(params, cluster, names):
    """Boards 0, 2 and 4 always hit, the others never: two tiles of a board add no certainty, two images do."""
    hits = [1, 1, 0, 0] * 3
    for model in ("full", "down", "deit"):
        row = "rollout_mean" if model == "deit" else "cam"
        write_model(model, {row: tiles(hits, 4)}, "vit" if model == "deit" else "cnn")
        path = scores_folder(model) / "index.parquet"
        pd.read_parquet(path).assign(source=TILES).to_parquet(path)  # each tile an image of its own
    stage.rank(with_rank(params, cluster=cluster))
    parts = ratio_parts(names, hits, np.ones(12))
    low, high = Jackknife(np.asarray(0.5), parts.without_each(), shares_of(parts.weights)).interval()
    row = rank_line("full", "pointing_game")
    assert (float(row["low"]), float(row["high"])) == pytest.approx((float(low), float(high)), abs=1e-5)
    assert int(row["clusters"]) == len(set(names))


@pytest.mark.parametrize(("count", "better"), [(1, "too few"), (4, "too few"), (5, "cnn")])
def test_few_clusters_name_no_winner(params, count, better):
    write_all(ids=TILES[: 2 * count])
    line = stage.rank(params)
    down, apart = ranking()["cnn"]["down"], ranking()["verdict"]["cnn_minus_vit"]["boxes"]["pointing_game"]
    assert (apart["better"], apart["clusters"]) == (better, count)
    assert (apart["low"] is None) == (count == 1)
    for name in ("average_rank_low_in_resamples", "best_in_resamples", "best_overall_in_resamples"):
        assert (down[name] is None) == (count < 5)
    assert ("too few to name the better one: below 5" in line) == (count < 5)
    assert ("no interval" in line) == (count == 1)
    assert {row["told_apart"] for row in lines(LATENCY_PLOT)} >= ({"too few"} if count < 5 else {"yes"})


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


def test_both_truths_stand_side_by_side(params):
    write_all(truths=("boxes", "exact"))
    line = stage.rank(with_rank(params, truth="exact"))
    assert line.startswith("rank by exact: ")
    assert "down - deit_fmean against boxes: " in line and "down - deit_fmean against exact: " in line
    assert {row["truth"] for row in lines(TRUTHS_PLOT)} == {"boxes", "exact"}


def test_every_method_of_every_model_where_wanted(params):
    write_all()
    stage.rank(with_rank(params, methods="all"))
    assert set(ranking()["cnn"]) == {"full", "down", "down_gradcam"}
    assert ranking()["cnn"]["down_gradcam"]["latency_ms"] == 15.0


def test_every_score_of_the_table_can_be_ranked_by_with_an_interval(params):
    rng = np.random.default_rng(0)
    means = [name for name in METRICS if name.startswith(("pointing", "weighting", "tile"))]
    for model, lead in (("full", 1), ("down", 3)):
        bins = np.arange(16)
        inside = rng.integers(0, 9, (BOARDS, 16)) + lead * bins
        columns = {part + name: own for name, own in tiles([1], lead).items() for part in ("", "validation_")}
        columns |= {name: 0.1 * lead + 0.05 * rng.random(len(TILES)) for name in means}
        outside = rng.integers(20, 40, (BOARDS, 16))
        write_model(model, {"cam": columns}, "cnn", histograms={"cam": (inside.astype(float), outside.astype(float))})
    models = {"full": Model("cnn"), "down": Model("cnn")}
    stage.rank(but(with_rank(params, metrics=tuple(METRICS)), models=models))
    assert set(ranking()["cnn"]["down"]["ranks"]) == set(METRICS)
    for metric in METRICS:
        row = rank_line("down", metric)
        assert 0 <= float(row["low"]) < float(row["value"]) < float(row["high"]) <= 1, metric
        assert row["clusters"] == str(BOARDS)


def test_an_entry_compares_the_same_two_rows_throughout(params):
    """A ViT row that no one ranks first wins a metric: the entry does not mix it in."""
    write_all()
    write_model("deit", {"rollout_mean": tiles([1], 4), "rollout_max": tiles([0], 8)}, "vit")
    stage.rank(params)
    apart = ranking()["verdict"]["cnn_minus_vit"]["boxes"]
    assert (apart["cnn"], apart["vit"]) == ("down", "deit_fmax")  # equal average ranks: F1 decides
    own = apart["f1"]
    assert (own["better"], own["cnn_wins_probability"] < 0.025) == ("vit", True)
    own = apart["pointing_game"]  # the ViT's other row hits as often as the CNN; this one never does
    assert (own["better"], own["vit_value"], own["cnn_wins_probability"] > 0.975) == ("cnn", 0.0, True)


def test_best_is_by_average_rank_everywhere(params):
    """`full` leads in the first metric alone, `down` in two of three; of the ViT, min leads in the first alone."""
    near = ("pointing_game_near", "pointing_game")

    def rows(**of):
        return {name: own | {near[0]: own[near[1]]} for name, own in of.items()}

    write_model("full", rows(cam=tiles([1, 0], 6)), "cnn")
    write_model("down", rows(cam=tiles([1], 5)), "cnn")
    write_model("deit", rows(rollout_min=tiles([0], 4), rollout_max=tiles([1, 0, 0, 0], 3)), "vit")
    stage.rank(with_rank(params, metrics=("f1", *near)))
    verdict, standing = ranking()["verdict"], lines(LATENCY_PLOT)
    assert (verdict["best"], verdict["best_cnn"], verdict["best_vit"]) == ("down", "down", "deit_fmax")
    assert [row["model"] for row in sorted(standing, key=lambda row: row["place"])] == [
        *("down", "full", "deit_fmax", "deit_fmin")
    ]
    assert {row["model"] for row in standing if row["best_of_classifier"] == "1"} == {"full", "down", "deit_fmax"}
    full = next(row for row in standing if row["model"] == "full")
    assert float(full["behind"]) == pytest.approx(0.5 - pooled_f1(6), abs=2e-5)  # in F1 it is ahead


def seeds(params):
    models = {"full": Model("cnn"), "down": Model("cnn"), "again": Model("cnn", of="down"), "deit": Model("vit")}
    return but(params, models=models)


def test_seeds_are_averaged_and_their_spread_is_told(params):
    write_all()
    write_model("again", {"cam": tiles([0], 5)}, "cnn", latency_ms=20.0, beats=False, gain=0.3)
    stage.rank(seeds(params))
    assert set(ranking()["cnn"]) == {"full", "down"}
    down = ranking()["cnn"]["down"]
    assert (down["seeds"], down["beats_controls"], down["seeds_that_beat_controls"]) == (2, False, 1)
    assert down["latency_ms"] == 16.0  # the median of 12 and 20
    row = rank_line("down", "pointing_game")
    assert (float(row["value"]), float(row["between_seeds"])) == (0.5, pytest.approx(math.sqrt(0.5), abs=1e-5))
    faithful = ranking()["faithfulness"]["deletion_mean"]
    assert faithful["cnn_value"] == pytest.approx((0.1 + (0.1 + 0.3) / 2) / 2)  # of each model the mean of its seeds
    standing = next(row for row in lines(LATENCY_PLOT) if row["model"] == "down")
    assert (standing["seeds"], standing["beats_controls"], standing["latency_ms"]) == ("2", "1", "16.0")
    with pytest.raises(InputError, match=r"data/scores/again: has no gradcam, which down has; explain it again"):
        stage.rank(with_rank(seeds(params), methods="all"))


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


def test_a_family_without_models_and_one_with_one(params):
    write_all()
    line = stage.rank(but(params, models={"down": Model("cnn")}))
    assert ranking()["cnn"]["down"]["average_rank"] == 1.0
    assert ranking()["vit"] == {}
    sentence = "best CNN down (average rank 1.00 of 1); no ViT to rank"
    best = {"best": "down", "best_by": "average_rank", "best_cnn": "down", "best_vit": None}
    assert ranking()["verdict"] == {"truth": "boxes", **best, "sentence": sentence}
    assert line == f"rank by boxes: {sentence}"


def test_a_data_set_with_labels_only_has_nothing_to_rank_but_faithfulness(params):
    write_all(truths=())
    line = stage.rank(params)
    assert "no annotated area" in line and "gain over random" in line
    assert ranking()["cnn"] == {}
    assert ranking()["faithfulness"]["deletion_mean"]["vit_value"] == pytest.approx(0.2)
    assert RANK_PLOT.read_text() == "family,model,metric,rank,value,low,high,clusters,between_seeds\n"
    assert lines(TRUTHS_PLOT) == lines(LATENCY_PLOT) == []
    assert read_ranking().standings == () and "no annotated area" in read_ranking().sentence
