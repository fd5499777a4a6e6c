"""The record of a ranking: what is read is what was written, to the last digit."""

import json
import math
from dataclasses import replace

import pytest

from stages.ranking.record import Estimate, RankedExplanation, Ranking, Standing, read_ranking, write_ranking
from stages.runtime.errors import InputError

NAN = math.nan
THIRD = Estimate(1 / 3, 0.1, 0.7000000000000001, 12)
NOTHING = Estimate(NAN, NAN, NAN, 0)
STANDING = Standing(
    truth="exact",
    explanation=RankedExplanation("net_fmax", "vit", ("net", "again"), "rollout_max", 7.796571),
    scores={"recall": THIRD, "f1": NOTHING},
    between_seeds={"recall": 0.1, "f1": NAN},
    ranks={"recall": 1, "f1": 2},
    average_rank=Estimate(1.5, 1.0, 2.0, 12),
    best_in_resamples=2 / 3,
    best_overall_in_resamples=NAN,
    place=1,
    best_of_classifier=True,
    on_front=False,
    controls_beaten=None,
    behind=Estimate(0.0, 0.0, 0.0, 12),
    told_apart="",
    photographs={"froc": THIRD, "photograph_auroc": NOTHING},
)
RANKING = Ranking("exact", ("recall", "f1"), (STANDING, replace(STANDING, truth="boxes", controls_beaten=2)), "words")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ranking.json"


def test_what_is_read_is_what_was_written(path):
    write_ranking(RANKING, path)
    read = read_ranking(path)
    assert repr(read) == repr(RANKING)  # NaN is not equal to itself
    assert list(read.standings[0].scores) == ["recall", "f1"]
    assert json.loads(path.read_text())["standings"][0]["scores"]["f1"]["value"] is None


def test_what_it_says_of_itself(path):
    assert RANKING.truths == ["exact", "boxes"]
    assert RANKING.against("boxes")[0].controls_beaten == 2
    assert STANDING.explanation.classifier == "net"
    assert STANDING.undefined == 1
    write_ranking(replace(RANKING, standings=()), path)
    assert read_ranking(path).truths == []


def test_what_is_no_record_is_refused(path):
    with pytest.raises(InputError, match=r"ranking.json: missing"):
        read_ranking(path)
    write_ranking(RANKING, path)
    content = json.loads(path.read_text())
    for change in ({"standings": [{}]}, {"metrics": ["aupro"]}, {"other": 1}):
        path.write_text(json.dumps(content | change))
        with pytest.raises(InputError, match=r"ranking.json: not as rank writes it .*; run the rank stage again"):
            read_ranking(path)
