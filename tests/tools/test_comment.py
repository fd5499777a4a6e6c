"""The comment of a pull request: what changed comes first, in the same order every time."""

import random

from stages.tools.comment import MAX_ROWS, write_comment

RANK, CNN = "metrics/rank.json", "metrics/score/net.json"
METRICS = {
    RANK: {
        "cnn.net.average_rank": {"old": 2, "new": 1.0, "diff": -1},
        "cnn.net.ranks.f1": {"old": 2, "new": 1},
        "cnn.other.average_rank": {"old": 1, "new": 2},
        "vit.gone.average_rank": {"old": 1, "new": None},
    },
    "metrics/time/net.json": {"net.forward.median_ms": {"old": 10.0, "new": 12.5}},
    CNN: {
        "net.boxes.cam.f1": {"old": 0.5, "new": 0.625},
        "net.boxes.cam.recall": {"old": 0.25, "new": 0.25},
        "net.boxes.cam.area": {"old": None, "new": 0.1},
    },
}


def comment(metrics=METRICS, **others) -> list[str]:
    given = {"params": {}, "pictures": [], "notes": []} | others
    return write_comment("main", "HEAD", metrics=metrics, **given).splitlines()


def test_changed_metrics_come_before_unchanged_ones_and_times_last():
    lines = comment()
    rows = [line for line in lines if line.startswith(("| score", "| time"))]
    assert rows == [
        "| score/net | boxes.cam.area | - | 0.1 | new |",
        "| score/net | boxes.cam.f1 | 0.5 | 0.625 | +0.125 |",
        "| time/net | forward.median_ms | 10 | 12.5 | +2.5 |",
        "| score/net | net.boxes.cam.recall | 0.25 |",
    ]
    assert lines.index("<details><summary>1 metrics did not change</summary>") < lines.index(rows[-1])


def test_the_ranking_shows_both_sides_best_first_and_a_model_that_is_gone():
    rows = [line for line in comment() if line.startswith(("| cnn", "| vit"))]
    assert rows == ["| cnn | net | 2 | 1 |", "| cnn | other | 1 | 2 |", "| vit | gone | 1 | - |"]


def test_the_order_in_which_dvc_answers_changes_nothing():
    shuffled = {}
    for file in random.Random(0).sample(sorted(METRICS), len(METRICS)):
        names = random.Random(1).sample(sorted(METRICS[file]), len(METRICS[file]))
        shuffled[file] = {name: METRICS[file][name] for name in names}
    assert comment(shuffled) == comment()


def test_a_table_is_not_interrupted_and_a_bar_in_a_value_does_not_end_a_cell():
    lines = comment(params={"params.yaml": {"models.a|b.lr": {"old": 1e-3, "new": 2e-5}}})
    place = lines.index("| parameter | before | after |")
    assert lines[place + 1 : place + 3] == ["|---|---|---|", "| models.a\\|b.lr | 0.001 | 2e-05 |"]


def test_a_long_table_is_cut_and_says_so():
    many = {CNN: {f"net.value{number:03}": {"old": 0, "new": 1} for number in range(MAX_ROWS + 7)}}
    lines = comment(many)
    assert sum(line.startswith("| score/net") for line in lines) == MAX_ROWS
    assert "7 more: `dvc metrics diff`" in lines


def test_nothing_to_say_is_said():
    lines = comment({}, notes=["no metrics"], pictures=[("Curves", "there/a.png")])
    for expected in ("no metrics", "No parameter changed.", "Nothing is ranked.", "No metric changed."):
        assert expected in lines
    assert "![Curves](there/a.png)" in lines
