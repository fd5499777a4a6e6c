"""What a study will take, worked out by hand from a small rehearsal."""

import pytest

from stages.runtime.params import Params, read_params
from stages.studies.estimate import Rehearsed, Run, Throughput, disk_bytes, in_words, stage_seconds
from stages.studies.overrides import laid_over
from stages.studies.smaller import smaller
from tests.dependencies import REPOSITORY

PARAMS = read_params(REPOSITORY / "params.yaml")
STUDY = Params(
    laid_over(
        PARAMS.content,
        {
            "models": {"one": {"family": "cnn", "arch": "resnet18", "epochs": 6}},
            "tune.trials": 5,
            "perturb.tiles": 32,
            "perturb.steps": 8,
            "time.warmup": 5,
            "time.repeats": 40,
        },
    )
)
REHEARSAL = Params(smaller(STUDY, lambda name: "none"))


def test_seconds_of_each_stage() -> None:
    throughput = Throughput(train_s=0.5, explain_s=0.25, gpu_bytes=0, epoch_tiles=40, explained_tiles=20)
    runs = [
        Run("download", None, 9.0, 1),
        Run("tile", None, 5.0, 1),
        Run("tune", "one", 100.0, 1),
        Run("train", "one", 50.0, 1),
        Run("supervise", "one", 4.5, 1),
        Run("explain", "one", 8.0, 1),
        Run("score", "one", 7.0, 1),
        Run("perturb", "one", 10.0, 1),
        Run("time", "one", 6.0, 1),
        Run("adopt", "one", 1.0, 1),
    ]
    seconds = stage_seconds(STUDY, REHEARSAL, Rehearsed(runs, 4.0, {"one": throughput}, images=10))
    assert seconds == pytest.approx(
        {
            "tile": 4 + 1 * 10,
            "tune": 4 + 5 * 6 * 40 * 0.5 * 10,
            "train": 4 + 6 * 40 * 0.5 * 10,
            "supervise": 4,  # no reference is wanted
            "explain": 4 + 20 * 0.25 * 10,
            "score": 4 + 3 * 10,
            "perturb": 4 + 6 * (32 * 9) / (2 * 3),
            "time": 4 + 2 * 45 / 3,
            "adopt": 1.0,  # imports less than others
        }
    )


def test_disk_grows_with_tiles_and_has_one_checkpoint_at_a_time() -> None:
    folders = {"tiles": 100, "maps": 10, "models": 7, "raw": 3}
    assert disk_bytes(folders, largest_model=5, images=10, raw_bytes=1000) == 100 * 10 + 10 * 10 + 7 + 3 + 6 * 5 + 1000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (7320, "2 h 2 min"), (90000, "1 d 1 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
