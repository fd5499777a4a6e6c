"""Where maps stand between their references: fractions by hand, paired intervals, sentences, and what is left out."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from stages.rank import rank
from stages.ranking.brackets import sentence_of
from stages.ranking.record import Bracket, Estimate, read_ranking
from stages.records.files import read_json, write_json
from stages.records.paths import RANK_METRICS, RANKING, TRUTHS_PLOT, scores_folder
from stages.runtime.params import Params
from tests.rank_records import pooled_f1, small_params, tiles, write_all, write_model

NAN = math.nan


def add_references(model: str, left_out: dict[str, str] | None = None) -> None:
    """Make rows that `write_model` wrote references, as the score stage writes them."""
    file = scores_folder(model) / "rows.json"
    content = json.loads(file.read_text())
    for kind in {"nearest_good", "supervised"} & content["rows"].keys():
        content["rows"][kind] |= {"reference": True, "own": False}
    content |= {"perfect": {"boxes": {"f1": 0.97, "pointing_game": 1.0}}, "left_out": left_out or {}}
    write_json(file, content, exact=True)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    real = small_params()
    monkeypatch.chdir(tmp_path)
    write_all()
    return real


@pytest.fixture
def ranked(params: Params) -> str:
    references = {"nearest_good": tiles([0, 0, 0, 1], 2), "supervised": tiles([1], 8)}
    write_model("down", {"cam": tiles([1, 0], 5)} | references, "cnn", latency_ms=12.0)
    add_references("down")
    return rank(params)


def test_fractions_are_those_of_the_scores(ranked: str) -> None:
    record = read_ranking()
    (bracket,) = record.brackets  # the other models have no reference
    assert (bracket.truth, bracket.classifier, bracket.line) == ("boxes", "down", "down")
    own, good, taught = (pooled_f1(tp) for tp in (5, 2, 8))
    scores, places = bracket.scores["f1"], bracket.places["f1"]
    assert {kind: score.value for kind, score in scores.items()} == pytest.approx(
        {"own": own, "nearest_good": good, "supervised": taught}
    )
    assert places["own_of_supervised"].value == pytest.approx(own / taught)
    assert places["nearest_good_of_supervised"].value == pytest.approx(good / taught)
    assert places["between"].value == pytest.approx((own - good) / (taught - good))
    for place in places.values():
        assert place.low < place.value < place.high and place.clusters == 6
    assert bracket.places["pointing_game"]["between"].value == pytest.approx((0.5 - 0.25) / (1 - 0.25))
    assert bracket.perfect == {"f1": 0.97, "pointing_game": 1.0}
    assert {standing.explanation.name for standing in record.standings} == {"full", "down", *record_vits(record)}


def record_vits(record) -> set[str]:
    return {own.explanation.name for own in record.standings if own.explanation.family == "vit"}


def test_what_people_read(ranked: str) -> None:
    said = read_ranking().around
    assert ranked.endswith(said) and said.startswith("By boxes, in f1: labels alone (down) reach 0.")
    assert "of what annotation would give; an anomaly detector without any defect reaches 0." in said
    content = read_json(RANK_METRICS)["verdict"]["references"]
    assert content["sentence"] == said and content["boxes"]["line"] == "down"
    own = content["boxes"]["f1"]
    assert own["own"] == pytest.approx(pooled_f1(5), abs=1e-5) and own["perfect_map"] == 0.97
    assert own["between"]["low"] < own["between"]["value"] < own["between"]["high"]
    assert "boxes,cnn,down supervised,f1," in TRUTHS_PLOT.read_text()


def test_without_references_no_word_is_said_of_them(params: Params) -> None:
    rank(params)
    assert "references" not in read_json(RANK_METRICS)["verdict"]
    assert {"brackets", "around"} & read_json(RANKING).keys() == set()
    assert read_ranking().brackets == () and "supervised" not in TRUTHS_PLOT.read_text()


def test_a_reference_that_is_left_out_is_null_with_its_reason(params: Params) -> None:
    write_model("down", {"cam": tiles([1, 0], 5), "supervised": tiles([1], 8)}, "cnn", latency_ms=12.0)
    add_references("down", {"nearest_good": "no train tile is good"})
    line = rank(params)
    assert line.endswith("; there is no nearest_good (no train tile is good).")
    content = read_json(RANK_METRICS)["verdict"]["references"]["boxes"]
    assert content["left_out"] == {"nearest_good": "no train tile is good"}
    assert content["f1"]["nearest_good"] is None and content["f1"]["supervised"] > 0
    assert set(read_ranking().brackets[0].places["f1"]) == {"own_of_supervised"}


def bracket(**places: Estimate) -> Bracket:
    scores = {"own": Estimate(0.4, 0.3, 0.5, 9), "nearest_good": Estimate(0.1, 0.0, 0.2, 9)}
    scores |= {"supervised": Estimate(0.5, 0.4, 0.6, 9)}
    return Bracket("exact", "net", "net_cam", {"f1": scores}, {"f1": 0.9}, {"f1": places}, {})


def test_sentences() -> None:
    sure, open_, none = Estimate(0.8, 0.75, 0.85, 9), Estimate(0.2, NAN, NAN, 9), Estimate(NAN, NAN, NAN, 9)
    places = {"own_of_supervised": sure, "nearest_good_of_supervised": open_, "between": Estimate(0.75, 0.7, 0.8, 4)}
    assert sentence_of(bracket(**places), "f1") == (
        "By exact masks, in f1: labels alone (net_cam) reach 0.80 (0.75 to 0.85) of what annotation would give; an "
        "anomaly detector without any defect reaches 0.20 (no interval); between the two the map stands at 0.75 (no "
        "interval)."
    )
    assert "; annotation gives no more than that detector." in sentence_of(bracket(**places | {"between": none}), "f1")
    close = places | {"between": Estimate(11.0, NAN, NAN, 9)}
    assert sentence_of(bracket(**close), "f1", taught_otherwise=True).endswith(
        "; the two are too close to say where between them the map stands; annotation here is exact masks, which have "
        "not the margins of boxes."
    )
    alone = bracket()
    del alone.scores["f1"]["supervised"]
    lost = replace(alone, left_out={"supervised": "the data set has no annotated area"})
    assert sentence_of(lost, "f1") == (
        "By exact masks, in f1: labels alone (net_cam) reach 0.400; an anomaly detector without any defect 0.100; "
        "there is no supervised (the data set has no annotated area)."
    )
