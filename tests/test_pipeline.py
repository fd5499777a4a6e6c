"""The whole pipeline on a tiny configuration: the user's four commands, and what each parameter reruns.

One copy of the repository serves all tests of this module, in the order in which they stand here.
"""

import csv
import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.declarations import undeclared, unopened
from tests.pipeline import CNN, VIT, Copy, small_copy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRAWN = "[...document.querySelectorAll('body > div[id^=plots_]')].every(plot => plot.querySelector('.marks, img'))"
MODELS = {CNN, VIT}


def of_models(*verbs: str, models: set[str] = MODELS) -> set[str]:
    return {f"{verb}@{model}" for verb in verbs for model in models}


AFTER_EXPLAIN = ("score", "draw", "perturb")
AFTER_ADOPT = ("train", "supervise", "explain", *AFTER_EXPLAIN, "time")
LAST = {"rank", "report"}
AFTER_SCORE = LAST | {"export"}
AFTER_SPLIT = of_models("tune", "adopt", *AFTER_ADOPT) | AFTER_SCORE
AFTER_TUNE = AFTER_SPLIT - of_models("tune")
ALL_AFTER_SPLIT = AFTER_SPLIT | {"describe"}


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, str]:
    copy = small_copy(tmp_path_factory.mktemp("pipeline"))
    return copy, copy.dvc("repro")


@pytest.fixture(scope="module")
def copy(first_run: tuple[Copy, str]) -> Copy:
    return first_run[0]


@pytest.fixture
def unchanged_params(copy: Copy) -> Iterator[None]:
    """Put params.yaml back after a test."""
    before = copy.params()
    yield
    copy.write_params(before)


def test_repro_runs_every_stage_once_and_each_prints_one_line(first_run: tuple[Copy, str]) -> None:
    _, printed = first_run
    ran = [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")]
    assert sorted(ran) == sorted({"check", "download", "tile", "split"} | ALL_AFTER_SPLIT)
    for stage in ran:
        verb, _, model = stage.partition("@")
        lines = [line for line in printed.splitlines() if line.startswith(f"{verb} {model}".strip())]
        assert len(lines) == 1, f"{stage} printed {lines}"
    assert "%|" not in printed  # a progress bar


def test_repro_leaves_only_results_for_git(copy: Copy) -> None:
    changed = [line[3:] for line in copy.run("git", "status", "--porcelain", "--untracked-files=all").splitlines()]
    assert "dvc.lock" in changed
    assert all(path == "dvc.lock" or path.startswith(("metrics/", "plots/")) for path in changed), changed
    assert not [path for path in changed if Path(path).name.startswith(".")]
    copy.commit("results")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files a process opens")
def test_a_stage_opens_what_it_declares_and_nothing_else(copy: Copy) -> None:
    """Whoever opens it: so a dependency that is missing in dvc.yaml is found, and one that nobody reads."""
    assert undeclared(copy) == {}
    assert unopened(copy) == {}


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("stage", ["tune", "train", "score", "perturb", "time"])
def test_metrics_have_the_models_name_on_top(copy: Copy, stage: str, model: str) -> None:
    """So that `dvc metrics diff` shows it in its own column."""
    assert list(json.loads((copy.folder / f"metrics/{stage}/{model}.json").read_text())) == [model]


def test_a_second_repro_does_nothing(copy: Copy) -> None:
    before = copy.results()
    assert "Data and pipelines are up to date." in copy.dvc("repro")
    assert copy.results() == before
    assert copy.run("git", "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the address of a remote of each kind: a folder, and a bucket of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urlopen(Request(f"{endpoint}/store", method="PUT")).close()  # makes the bucket
    yield {"folder": str(tmp_path_factory.mktemp("remote")), "s3": "s3://store/defectlens", "endpoint": endpoint}
    server.stop()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_fresh_clone_pulls_and_has_nothing_to_do(
    copy: Copy, store: dict[str, str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clone = Copy(tmp_path / "clone", copy.settings)
    copy.run("git", "clone", "--quiet", str(copy.folder), str(clone.folder))
    for repository in (copy, clone):
        repository.dvc("remote", "add", "--local", "--force", "--default", "store", store[kind])
        if kind == "s3":
            repository.dvc("remote", "modify", "--local", "store", "endpointurl", store["endpoint"])
    copy.dvc("push")
    clone.dvc("pull")
    assert "Data and pipelines are up to date." in clone.dvc("repro")
    assert clone.run("git", "status", "--porcelain") == ""
    assert {name for name in clone.results() if name.startswith("data/models/")}


@pytest.mark.usefixtures("unchanged_params")
@pytest.mark.parametrize(
    ("name", "value", "stages"),
    [
        ("explain.discard", [0.0, 0.5], of_models("explain", *AFTER_EXPLAIN, "time") | AFTER_SCORE),
        ("explain.references", [], of_models("supervise", "explain", *AFTER_EXPLAIN, "time") | AFTER_SCORE),
        ("explain.nearest_good.coreset", 9, of_models("explain", *AFTER_EXPLAIN, "time") | AFTER_SCORE),
        ("score.intensity_threshold", 100, of_models(*AFTER_EXPLAIN) | AFTER_SCORE),
        ("draw.gallery_tiles", 3, of_models("draw") | {"report"}),
        ("perturb.steps", 3, of_models("perturb") | LAST),
        ("rank.truth", "exact", LAST),
        ("rank.cluster", "image", of_models("perturb") | LAST),
        ("export.precision", "int8", {"export"}),
        ("time.repeats", 3, of_models("time") | LAST),  # latency is half of the Pareto front
        ("runtime.workers", 1, of_models("time") | LAST),
        ("model.lr", 0.01, AFTER_TUNE),
        ("model.lr", "tuned", AFTER_TUNE),  # what was found is there: no search
        ("model.ema_decay", 0.5, AFTER_SPLIT),
        ("family.vit.lr", 0.01, of_models("tune", "adopt", *AFTER_ADOPT, models={VIT}) | AFTER_SCORE),
        (f"models.{CNN}.lr", 0.01, of_models("tune", "adopt", *AFTER_ADOPT, models={CNN}) | AFTER_SCORE),
        ("tune.lr.vit", [1e-5, 1e-3], of_models("tune", "adopt", *AFTER_ADOPT, models={VIT}) | AFTER_SCORE),
        ("tune.storage", "postgresql:///search", set()),
        ("split.seed", 1, {"split"} | ALL_AFTER_SPLIT),
        ("tile.defect_threshold", 0.02, {"tile", "split"} | ALL_AFTER_SPLIT),
    ],
)
def test_a_parameter_reruns_what_it_changes_and_nothing_else(
    copy: Copy, name: str, value: Any, stages: set[str]
) -> None:
    copy.change(name, value)
    assert copy.would_run() == stages


@pytest.mark.usefixtures("unchanged_params")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tile.px", "large", "error: params.yaml: tile.px is 'large'; expected a whole number"),
        ("tile.pixels", 224, "error: params.yaml: tile.pixels is not known"),
        ("dataset.root", "no/such/folder", "no/such/folder"),
    ],
)
def test_a_run_that_fails_says_why_and_leaves_earlier_results(copy: Copy, name: str, value: Any, message: str) -> None:
    before = copy.results()
    copy.change(name, value)
    printed = copy.dvc("repro", code=1)
    assert message in printed
    assert "Traceback" not in printed
    assert copy.results() == before


def test_the_failed_runs_are_forgotten(copy: Copy) -> None:
    assert copy.would_run() == set()


def test_an_experiment_with_another_learning_rate(copy: Copy) -> None:
    """`dvc exp run -S model.lr=2e-4`, then `dvc metrics diff`, `dvc plots show`, `dvc plots diff`.

    One model is taken out before, to save time; its results stay on disk and the ranking must overlook them.
    """
    copy.change("models", {CNN: copy.params()["models"][CNN]})
    copy.commit("one model")
    before = copy.results()
    printed = copy.dvc("exp", "run", "-S", "model.lr=2e-4")
    for stage in ("download", "tile", "split"):
        assert f"Stage '{stage}' didn't change, skipping" in printed
    assert copy.params()["model"]["lr"] == 2e-4
    after = copy.results()
    changed = {name for name, content in after.items() if content != before.get(name)}
    assert f"data/models/{CNN}/model.safetensors" in changed
    assert not [name for name in changed if name.startswith(("data/raw", "data/tiles", "data/splits")) or VIT in name]
    assert VIT not in (copy.folder / "metrics/rank.json").read_text(encoding="utf-8")

    assert f"metrics/train/{CNN}.json" in copy.dvc("metrics", "diff", "--md")

    copy.dvc("plots", "show", "--out", "shown")
    page = (copy.folder / "shown" / "index.html").read_text(encoding="utf-8")
    for plot in (f"{CNN}: training", f"{CNN}: settings", f"{CNN}: faithfulness", f"plots_gallery_{CNN}.png", "Ranking"):
        assert plot in page, plot

    copy.dvc("plots", "diff", "HEAD", "workspace", "--out", "compared")
    page = (copy.folder / "compared" / "index.html").read_text(encoding="utf-8")
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page


def declared_plots(copy: Copy) -> list[str]:
    """Return the files under `plots` in dvc.yaml, one for each model where a stage has one for each."""
    stages = yaml.safe_load((copy.folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    names = [
        name.replace("${key}", model)
        for stage in stages.values()
        for model in (copy.params()["models"] if "do" in stage else [""])
        for plot in stage.get("do", stage).get("plots", [])
        for name in plot
    ]
    assert names
    return names


def opened(page_file: Path) -> tuple[int, int, list[str]]:
    """Open a page of DVC plots without a network; return its drawn plots, its drawn pictures, and what went wrong."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda sent: wrong.append(sent.url) if not sent.url.startswith(("file:", "data:")) else None)
        page.goto(page_file.resolve().as_uri(), wait_until="load")
        page.wait_for_function(DRAWN, timeout=100_000)
        plots = page.evaluate(
            "[...document.querySelectorAll('.marks')].map(plot => plot.getBoundingClientRect().width)"
        )
        pictures = page.evaluate("[...document.images].map(one => one.complete * one.naturalWidth)")
        browser.close()
    return sum(map(bool, plots)), sum(map(bool, pictures)), wrong


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `apt install chromium` runs this test")
def test_the_plots_of_dvc_open_without_a_network(copy: Copy) -> None:
    """Every plot that dvc.yaml names is drawn, by `show` once and by `diff` with both revisions in one."""
    copy.run(sys.executable, "-m", "stages.tools.offline_page", ".dvc/tmp/plots.html")
    copy.dvc("config", "--local", "plots.html_template", "tmp/plots.html")
    names = declared_plots(copy)
    pictures = sum(name.endswith(".png") for name in names)
    copy.dvc("plots", "show", "--out", "shown")
    assert opened(copy.folder / "shown" / "index.html") == (len(names) - pictures, pictures, [])
    copy.dvc("plots", "diff", "HEAD", "workspace", "--out", "compared")
    assert opened(copy.folder / "compared" / "index.html") == (len(names) - pictures, 2 * pictures, [])


SCORES = r"\w+.(val_average_precision|classification.average_precision|boxes.(cam|rollout_m\w+).f1)"


def test_a_grid_of_experiments_is_shown_applied_and_branched(copy: Copy) -> None:
    """`dvc exp run --queue` with two learning rates, `--run-all`, `show`, `apply`, `branch`; training alone."""
    copy.run("git", "checkout", "--quiet", "--", ".")  # what the experiment before this one left
    rates = {2e-5: "slow", 5e-4: "quick"}
    for rate, name in rates.items():
        copy.dvc("exp", "run", "--queue", "--name", name, "-S", f"model.lr={rate!r}", f"train@{CNN}")
    assert copy.dvc("queue", "status").count("Queued") == 2
    copy.dvc("exp", "run", "--run-all", "-j", "1")

    shown = copy.dvc(
        "exp", "show", "--csv", "--hide-workspace", "--drop", ".*", "--keep", f"Experiment|model.lr|{SCORES}"
    )
    rows = {row["Experiment"]: row for row in csv.DictReader(io.StringIO(shown))}
    assert {name: float(rows[name]["model.lr"]) for name in rates.values()} == {"slow": 2e-5, "quick": 5e-4}
    assert len(rows["slow"]) <= 10, list(rows["slow"])  # of some hundred metrics
    assert f"{CNN}.val_average_precision" in rows["slow"]

    copy.dvc("exp", "apply", "slow")
    assert float(copy.params()["model"]["lr"]) == 2e-5  # written as 2e-05, which PyYAML alone takes for text
    assert json.loads((copy.folder / f"metrics/train/{CNN}.json").read_text())[CNN]["lr"] == 2e-5
    copy.dvc("exp", "branch", "quick", "quicker")
    assert float(yaml.safe_load(copy.run("git", "show", "quicker:params.yaml"))["model"]["lr"]) == 5e-4
