"""Stage rank on scores of a few tiles written by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from stages import rank as stage
from stages.metrics.clusters import ratio_parts
from stages.metrics.intervals import Jackknife, shares_of
from stages.metrics.table import METRICS, TileMean, metrics_of
from stages.models.settings import Model
from stages.records.paths import (
    LATENCY_PLOT,
    RANK_PLOT,
    TRUTHS_PLOT,
    scores_folder,
)
from stages.runtime.errors import InputError
from tests.parameters import but
from tests.rank_records import (
    BOARDS,
    TILES,
    lines,
    pooled_f1,
    rank_line,
    ranking,
    small_params,
    tiles,
    with_rank,
    write_all,
    write_model,
)


@pytest.fixture
def params(tmp_path, monkeypatch):
    params = small_params()
    monkeypatch.chdir(tmp_path)
    return params


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
    means = list(metrics_of(TileMean))
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


@pytest.mark.parametrize(("methods", "expected"), [("own", {"deit"}), ("all", {"deit", "deit_rollout_max"})])
def test_a_vit_whose_own_method_fuses_nothing_has_its_own_name(params, methods, expected):
    """A ViT on patch tokens, with `explain.methods.vit: [cam, rollout]`."""
    write_all()
    write_model("deit", {"cam": tiles([1], 4), "rollout_max": tiles([0], 3)}, "vit")
    stage.rank(with_rank(params, methods=methods))
    assert set(ranking()["vit"]) == expected
    assert ranking()["verdict"]["best_vit"] == "deit" and ranking()["vit"]["deit"]["latency_ms"] == 10.0


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


def test_a_family_without_models_and_one_with_one(params):
    write_all()
    line = stage.rank(but(params, models={"down": Model("cnn")}))
    assert ranking()["cnn"]["down"]["average_rank"] == 1.0
    assert ranking()["vit"] == {}
    sentence = "best CNN down (average rank 1.00 of 1); no ViT to rank"
    best = {"best": "down", "best_by": "average_rank", "best_cnn": "down", "best_vit": None}
    assert ranking()["verdict"] == {"truth": "boxes", **best, "sentence": sentence}
    assert line == f"rank by boxes: {sentence}"
