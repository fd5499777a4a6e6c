"""What a change reruns, in a copy of the repository whose results are stand-ins: no stage has to run before.

`tests/test_pipeline.py` has what each parameter reruns.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.dependencies import REPOSITORY
from tests.pipeline import CNN, VIT, Copy, small_copy

AFTER_EXPLAIN = ("score", "draw", "perturb")
LAST = {"rank", "report"}
AFTER_SCORE = LAST | {"export"}


def of_models(*verbs: str) -> set[str]:
    return {f"{verb}@{model}" for verb in verbs for model in (CNN, VIT)}


def results_of(copy: Copy) -> Iterator[Path]:
    """Yield every output that dvc.yaml declares."""
    params = copy.params()
    for stage in yaml.safe_load((copy.folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values():
        own = stage.get("do", stage)
        for model in params["models"] if "do" in stage else [""]:
            for kind in ("outs", "metrics", "plots"):
                for output in own.get(kind, []):
                    (name,) = output
                    yield Path(name.replace("${key}", model).replace("${dataset.name}", params["dataset"]["name"]))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = small_copy(tmp_path_factory.mktemp("reruns"))
    for result in results_of(copy):
        files = [result] if result.suffix else [result / "rows.json", result / "rest"]
        for file in files:
            (copy.folder / file).parent.mkdir(parents=True, exist_ok=True)
            (copy.folder / file).write_text("{}\n" if file.suffix == ".json" else str(file), encoding="utf-8")
    shutil.copytree(REPOSITORY / ".ci", copy.folder / ".ci")
    copy.dvc("commit", "--force")
    copy.commit("stand-ins")
    return copy


@pytest.fixture(autouse=True)
def unchanged(copy: Copy) -> Iterator[None]:
    """Put code, parameters and locks back after a test."""
    yield
    copy.run("git", "checkout", "--quiet", "--", ".")


def append(file: Path, text: str = "\n") -> None:
    """Write a file anew, longer: outputs of DVC may be links into its cache."""
    content = file.read_text(encoding="utf-8")
    file.unlink()
    file.write_text(content + text, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("stages/figures/gallery.py", of_models("draw") | {"describe", "report"}),  # a colour
        ("stages/figures/report/viewer.js", of_models("draw") | {"describe", "report"}),
        (".dvc/plots/ranking.json", {"report"}),
        ("stages/explainers/cam.py", of_models("explain", "time", *AFTER_EXPLAIN) | AFTER_SCORE),
        ("stages/scoring/choice.py", of_models("score", "draw", "perturb") | AFTER_SCORE),
        ("stages/metrics/table.py", of_models(*AFTER_EXPLAIN) | AFTER_SCORE),
        ("stages/faithfulness/settings.py", of_models("perturb") | LAST),
        ("stages/ranking/average_ranks.py", LAST),
        ("stages/heatmaps/maps.py", of_models("explain", *AFTER_EXPLAIN) | AFTER_SCORE),
        (
            "stages/training/search.py",
            of_models("tune", "adopt", "train", "supervise", "explain", "time", *AFTER_EXPLAIN) | AFTER_SCORE,
        ),
        ("stages/exports/graph.py", {"export"}),
    ],
)
def test_a_file_reruns_what_runs_or_reads_it_and_nothing_else(copy: Copy, file: str, stages: set[str]) -> None:
    append(copy.folder / file)
    assert copy.would_run() == stages


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("rest", AFTER_SCORE),  # scores tile by tile
        ("rows.json", {f"draw@{CNN}", f"perturb@{CNN}"} | AFTER_SCORE),  # which settings were chosen
    ],
)
def test_other_scores_rerun_what_reads_them_and_nothing_else(copy: Copy, file: str, stages: set[str]) -> None:
    append(copy.folder / f"data/scores/{CNN}" / file, " ")
    copy.dvc("commit", "--force", f"score@{CNN}")  # as if score had written it
    assert copy.would_run() == stages
    copy.run("git", "checkout", "--quiet", "--", "dvc.lock")
    copy.dvc("checkout", "--force", f"score@{CNN}")


def test_a_search_trains_again_only_where_its_result_is_used_and_its_use_searches_not_again(copy: Copy) -> None:
    copy.change("tune.trials", 1)
    found = json.dumps({CNN: {"trials": 1, "lr": 0.002, "batch": 32}})
    (copy.folder / f"metrics/tune/{CNN}.json").write_text(found, encoding="utf-8")
    copy.dvc("commit", "--force", f"tune@{CNN}")  # as if tune had found it

    def repro() -> str:
        return copy.dvc("repro", "--single-item", f"tune@{CNN}", f"adopt@{CNN}")

    adopted = copy.folder / f"data/tuned/{CNN}.json"
    assert f"Running stage 'adopt@{CNN}'" in repro()
    assert json.loads(adopted.read_text(encoding="utf-8")) == {}
    assert "up to date" in copy.dvc("status", f"train@{CNN}")
    copy.change("model.lr", "tuned")
    assert f"Stage 'tune@{CNN}' didn't change, skipping" in repro()
    assert json.loads(adopted.read_text(encoding="utf-8")) == {"lr": 0.002}
    assert f"modified:           data/tuned/{CNN}.json" in copy.dvc("status", f"train@{CNN}")
    adopted.unlink()


@pytest.mark.parametrize(
    ("file", "first"), [("stages/figures/gallery.py", "check describe"), ("stages/score.py", f"score@{CNN}")]
)
def test_ci_says_without_data_whether_the_lock_belongs_to_code_and_parameters(
    copy: Copy, tmp_path: Path, file: str, first: str
) -> None:
    clone = Copy(tmp_path / "clone", copy.settings)
    copy.run("git", "clone", "--quiet", str(copy.folder), str(clone.folder))
    assert clone.run(".ci/locked") == "dvc.lock belongs to code and parameters\n"
    append(clone.folder / file)
    printed = clone.run(".ci/locked", code=1)
    assert printed.startswith("dvc.lock is not of this code and these parameters; run `dvc repro`, then commit ")
    assert f"The first that would run: {first}\n" in printed
