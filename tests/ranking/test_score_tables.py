"""Tables of scores and ranks as CSV: the thesis' own, and what is refused."""

import csv
import io
import math
import subprocess
import sys

import pytest

from stages.ranking.score_tables import COLUMNS, rank_table, read_score_table
from stages.runtime.errors import InputError
from tests.dependencies import REPOSITORY

PRINTED = (
    REPOSITORY / "stages" / "figures" / "report" / "printed"
)  # the thesis' tables: 3.4 and 3.6 scores, 3.5 and 3.7 ranks
# Where the printed ranks contradict the printed scores: (row, column) -> the rank that the scores give.
MISPRINTED = {
    "3_5": {
        ("DeiT_tiny_patch16_224_fmean", "Precision"): 4,
        ("ViT_tiny_patch16_224_fmean", "Precision"): 2,
        ("DeiT_tiny_patch16_224_fmin", "Accuracy"): 4,
        ("ViT_tiny_patch16_224_fmean", "Accuracy"): 3,
        ("DeiT_tiny_patch16_224_fmin", "Pointing game"): 3,
        ("ViT_tiny_patch16_224_fmin", "Pointing game"): 2,
    },
    "3_7": {
        ("DeiT_tiny_patch16_224_fmax", "Accuracy"): 5,
        ("ViT_tiny_patch16_224_fmax", "Accuracy"): 6,
    },
}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(("scores", "ranks"), [("3_4", "3_5"), ("3_6", "3_7")])
def test_the_thesis_scores_give_its_printed_ranks_but_for_the_misprints(scores, ranks):
    printed = rows_of((PRINTED / f"thesis_table_{ranks}.csv").read_text(encoding="utf-8"))
    ours = rows_of(rank_table(PRINTED / f"thesis_table_{scores}.csv"))
    assert list(ours[0]) == list(printed[0])
    assert [row["Model"] for row in ours] == [row["Model"] for row in printed]
    wrong = {}
    for own, other in zip(ours, printed, strict=True):
        for column in COLUMNS.values():
            if own[column] != other[column]:
                wrong[own["Model"], column] = int(own[column])
        shift = sum(int(own[column]) - int(other[column]) for column in COLUMNS.values()) / len(COLUMNS)
        # printed as 3.3 where it is 3.33
        assert float(own["Average rank"]) == pytest.approx(float(other["Average rank"]) + shift, abs=0.04)
    assert wrong == MISPRINTED[ranks]


def test_the_command_prints_the_ranks_and_nothing_else():
    command = [sys.executable, "-m", "stages.rank", "--table", str(PRINTED / "thesis_table_3_6.csv")]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == rank_table(PRINTED / "thesis_table_3_6.csv") + "\n"
    command[-1] = "no/such.csv"
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: no/such.csv: missing\n")


HEAD = "Model,F1,Precision,Jaccard Index,Accuracy,Recall,Pointing game\n"


def write(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_families_by_name_or_by_a_column_and_empty_fields_are_undefined(tmp_path):
    lines = "a,1,1,1,1,1,1\nb,,1,1,1,1,1\nc_fmax,1,1,1,1,1,1\nd_fmin,1,1,1,1,1,1\n"
    tables = read_score_table(write(tmp_path, HEAD + lines))
    assert [list(table) for table in tables.values()] == [["a", "b"], ["c_fmax", "d_fmin"]]
    assert math.isnan(tables["cnn"]["b"]["f1"])
    named = HEAD.strip() + ",Family\na,1,1,1,1,1,1,ViT\nb,1,1,1,1,1,1,vit\n"
    assert {family: list(table) for family, table in read_score_table(write(tmp_path, named)).items()} == {
        "cnn": [],
        "vit": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (HEAD, "has no rows"),
        ("Model,F1\na,1\n", "column 'Precision' is missing; a table of scores has Model, F1, Precision"),
        (HEAD + "a,1,1,1,1,1,high\nb,1,1,1,1,1,1\n", "line 2: Pointing game is 'high'; expected a number"),
        (HEAD + "a,1,1\n", "line 2: has fewer fields than the header"),
        (HEAD + "a,1,1,1,1,1,1\na,1,1,1,1,1,1\n", "line 3: a is there twice"),
        (HEAD + "a,1,1,1,1,1,1\n", "cnn has only one row, a; ranks need two or more"),
        (HEAD + "a,1,1,1,1,1,1\nb,1,1,1,1,1,1\nc_fmin,1,1,1,1,1,1\n", "vit has only one row, c_fmin"),
        (HEAD.strip() + ",Family\na,1,1,1,1,1,1,mlp\n", "line 2: Family is 'mlp'; expected cnn or vit"),
    ],
)
def test_what_is_no_such_table_is_refused_in_one_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_score_table(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
