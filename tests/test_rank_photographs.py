"""Stage rank on photographs: their scores beside the ranks with intervals, and ranks by them."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from stages import rank as stage
from stages.figures.report.ranking import photographs
from stages.ranking.record import read_ranking
from stages.records.paths import PHOTOGRAPHS_PLOT, scores_folder
from stages.runtime.errors import InputError
from stages.scores.photographs import write_photographs
from tests.rank_records import BOARDS, lines, ranking, small_params, with_rank, write_all

SOURCES = [f"board{n}.jpg" for n in range(BOARDS)]
ROWS = {"full": ["cam"], "down": ["cam"], "deit": ["rollout_min", "rollout_mean", "rollout_max"]}
FALSE = {"full": 2, "down": 0, "deit": 9}  # false regions on each board before its two defects are found


@pytest.fixture
def params(tmp_path, monkeypatch):
    params = small_params()
    monkeypatch.chdir(tmp_path)
    write_all()
    table = pd.DataFrame({"source": SOURCES, "group": [name[:6] for name in SOURCES]})
    table = table.assign(probability=np.arange(BOARDS) / 10, defective=np.arange(BOARDS) >= 2)
    for model, rows in ROWS.items():
        regions = [
            {
                "truth": "boxes", "row": row, "source": source, "defects": 2, "pointing": float(board % 2),
                "confidence": [0.9 - board / 100, 0.5], "false": [0, FALSE[model]], "found": [1 - board % 2, 2],
            }
            for row in rows
            for board, source in enumerate(SOURCES)
        ]  # fmt: skip
        write_photographs(scores_folder(model), table, regions)
    return params


def test_scores_of_photographs_stand_beside_the_ranks_with_intervals(params):
    stage.rank(params)
    full = ranking()["cnn"]["full"]["photographs"]
    # at the first thresholds half of the boards have one of two defects found and nothing false: 3 of 12
    assert full["found_at_1"]["value"] == 0.25 and full["found_at_2"]["value"] == 1.0
    assert full["froc"]["value"] == pytest.approx((4 * 0.25 + 3) / 7, abs=1e-5)
    assert full["found_at_1"]["clusters"] == BOARDS
    assert full["found_at_1"]["low"] < 0.25 < full["found_at_1"]["high"]
    assert (full["photograph_pointing_game"]["value"], full["photograph_auroc"]["value"]) == (0.5, 1.0)
    assert ranking()["cnn"]["down"]["photographs"]["froc"]["value"] == 1.0
    plotted = [row for row in lines(PHOTOGRAPHS_PLOT) if (row["model"], row["metric"]) == ("deit_fmax", "froc")]
    assert [(row["truth"], row["family"], row["value"]) for row in plotted] == [("boxes", "vit", "0.25")]

    standing = next(own for own in read_ranking().standings if own.explanation.name == "full")
    assert set(standing.photographs) == {*full} and standing.photographs["found_at_1"].value == 0.25
    page = photographs(asdict(read_ranking()), {"full": {"photographs": {"count": 6, "defective": 4}}})
    assert "<caption>6 photographs, 4 of them defective, against boxes" in page
    assert page.index(">down<") < page.index(">full<") < page.index(">deit_f")  # the best first
    assert f'<th scope="row">full</th><td>{(4 * 0.25 + 3) / 7:.3f} (' in page
    page = photographs({"standings": []}, {"full": {"photographs": {"left_out": "split.by is tile"}}})
    assert page == "<p>No photograph was scored: split.by is tile.</p>"


def test_they_can_be_ranked_by(params):
    stage.rank(with_rank(params, metrics=("froc", "found_at_2", "f1")))
    assert ranking()["cnn"]["down"]["ranks"] == {"froc": 1, "found_at_2": 1, "f1": 1}
    assert ranking()["cnn"]["full"]["ranks"]["froc"] == 2


def test_without_photographs_nothing_is_said_and_nothing_can_be_ranked_by_them(params):
    for model in ROWS:
        for name in ("photographs.parquet", "regions.parquet"):
            (scores_folder(model) / name).unlink()
    stage.rank(params)
    assert ranking()["cnn"]["full"]["photographs"] is None and lines(PHOTOGRAPHS_PLOT) == []
    with pytest.raises(InputError, match=r"^params.yaml: rank.metrics has 'froc', but data/scores/.* no photographs"):
        stage.rank(with_rank(params, metrics=("froc",)))
    with pytest.raises(InputError, match=r"rank.metrics has 'frog'; known: f1, .*, froc, photograph_pointing_game"):
        stage.rank(with_rank(params, metrics=("frog",)))


def test_an_explanation_without_every_photograph_is_refused(params):
    path = scores_folder("full") / "regions.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path)
    with pytest.raises(InputError, match=r"regions.parquet: cam against boxes has other photographs; run the score"):
        stage.rank(params)
