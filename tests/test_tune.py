"""Stage tune on tiny tiles: what it leaves on disk, what starts another search, and how training takes its values."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.adopt import adopt
from stages.records.files import rounded, write_json
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.train import train
from stages.training import epoch as training_module
from stages.training.tuning import Tune
from stages.tune import tune
from tests.models.tiny import tiny_project
from tests.parameters import but

MODELS = {"cnn": {"family": "cnn", "arch": "test_efficientnet", "stride": 16}}
SEARCH = {"trials": 3, "random_trials": 2, "batch": [4, 8]}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    tiny_project(tmp_path, MODELS, {"epochs": 2}, tune=SEARCH)
    monkeypatch.chdir(tmp_path)
    return read_params()


def with_tune(params: Params, **changes: Any) -> Params:
    return but(params, tune=replace(params.read(Tune), **changes))


def found() -> dict[str, Any]:
    return json.loads(Path("metrics/tune/cnn.json").read_text())["cnn"]


def test_a_search_that_is_off_says_so(params: Params) -> None:
    assert tune(with_tune(params, trials=0), "cnn") == "tune cnn: off (tune.trials is 0)"
    assert found() == {"trials": 0}
    header, row = Path("plots/tune/cnn.csv").read_text().splitlines()  # `dvc plots show` needs a row
    assert header == "model,trial,lr,batch,epochs,val_accuracy,val_average_precision,val_loss,state"
    assert row == "cnn,,,,,,,,off"
    assert not Path("data/tune").exists()


def test_training_with_tuned_values_is_the_best_trial_once_more(params: Params) -> None:
    line = tune(params, "cnn")
    best, table = found(), pd.read_csv("plots/tune/cnn.csv")
    assert line.startswith("tune cnn: best of 3 trials (0 pruned, 0 failed): lr 0.00")
    assert list(table["trial"]) == [1, 2, 3] and set(table["state"]) == {"complete"} and set(table["epochs"]) == {2}
    assert table["lr"].between(1e-4, 1e-2).all() and set(table["batch"]) <= {4, 8}
    row = table[table["trial"] == best["best_trial"]].iloc[0]
    assert row["val_accuracy"] == table["val_accuracy"].max() == best["val_accuracy"]
    assert math.isclose(row["lr"], best["lr"], rel_tol=1e-3) and row["lr"] != best["lr"]  # json has every digit
    assert not list(Path("data/checkpoints").iterdir())

    both = but(params, model=params.get("model") | {"lr": "tuned", "batch": "tuned"})
    adopt(both, "cnn")
    train(both, "cnn")
    metrics = json.loads(Path("metrics/train/cnn.json").read_text())["cnn"]
    for key in ("val_accuracy", "val_average_precision", "val_loss", "batch"):
        assert metrics[key] == best[key]
    assert metrics["tuned"] == "lr, batch"
    curves = pd.read_csv("plots/curves/cnn.csv").set_index(["curve", "epoch"])["value"]
    assert curves["lr", 1] == rounded(best["lr"])
    train(params, "cnn")
    assert "tuned" not in json.loads(Path("metrics/train/cnn.json").read_text())["cnn"]


def test_only_what_defines_a_search_starts_another(params: Params) -> None:
    def searches(params: Params) -> int:
        tune(params, "cnn")
        return len(list(Path("data/tune").iterdir()))

    one = with_tune(params, trials=1, epochs=1)
    assert searches(one) == 1
    first = Path("metrics/tune/cnn.json").read_bytes()
    same = but(one, model=one.get("model") | {"lr": "tuned", "batch": 2, "epochs": 7})
    for other in (same, with_tune(one, trials=2), one):
        assert searches(other) == 1
    assert Path("metrics/tune/cnn.json").read_bytes() == first
    others = (with_tune(one, seed=1), with_tune(one, batch=(4,)), but(one, model=one.get("model") | {"ema_decay": 0.5}))
    for count, other in enumerate(others, 2):
        assert searches(other) == count
    tile = Path("data/tiles/boards/images-0000.npy")
    content = bytearray(tile.read_bytes())
    content[-1] ^= 1
    tile.write_bytes(content)
    assert searches(one) == len(others) + 2


def test_training_that_diverges_is_a_failed_trial(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    real = training_module.mean_loss
    calls: list[int] = []

    def diverges_at_first(*arguments: Any) -> Any:
        calls.append(1)
        return real(*arguments) * (math.nan if len(calls) == 1 else 1)

    monkeypatch.setattr(training_module, "mean_loss", diverges_at_first)
    assert "(0 pruned, 1 failed)" in tune(params, "cnn")
    assert list(pd.read_csv("plots/tune/cnn.csv")["state"]) == ["failed", "complete", "complete"]
    assert not list(Path("data/checkpoints").iterdir())


def test_a_batch_that_no_trial_could_have_is_refused(params: Params) -> None:
    with pytest.raises(InputError, match=r"tune.batch is \[4, 99\], but there are only 16 train tiles"):
        tune(with_tune(params, batch=(4, 99)), "cnn")


def test_tuned_without_a_search_says_what_to_set(params: Params) -> None:
    wants = but(params, model=params.get("model") | {"lr": "tuned"})
    with pytest.raises(InputError, match=r"metrics/tune/cnn.json: missing"):
        adopt(wants, "cnn")
    tune(with_tune(wants, trials=0), "cnn")
    with pytest.raises(InputError, match=r"^params.yaml: lr of cnn is 'tuned', but .* has no trial; set tune.trials"):
        adopt(wants, "cnn")
    assert not Path("data/tuned").exists()


def test_only_what_is_tuned_is_adopted_and_every_digit_of_it(params: Params) -> None:
    write_json(Path("metrics/tune/cnn.json"), {"cnn": {"trials": 3, "lr": 1.23456789e-5, "batch": 8}}, exact=True)

    def adopted(params: Params) -> tuple[str, Any]:
        return adopt(params, "cnn"), json.loads(Path("data/tuned/cnn.json").read_text())

    assert adopted(but(params, model=params.get("model") | {"batch": 4})) == ("adopt cnn: nothing is tuned", {})
    one = but(params, model=params.get("model") | {"lr": "tuned", "batch": 4})
    assert adopted(one) == ("adopt cnn: lr 1.23e-05", {"lr": 1.23456789e-5})
    both = but(params, model=params.get("model") | {"lr": "tuned", "batch": "tuned"})
    assert adopted(both) == ("adopt cnn: lr 1.23e-05, batch 8", {"lr": 1.23456789e-5, "batch": 8})


def test_training_with_values_that_were_not_adopted_is_refused(params: Params) -> None:
    both = but(params, model=params.get("model") | {"lr": "tuned", "batch": "tuned"})
    with pytest.raises(InputError, match=r"data/tuned/cnn.json: missing"):
        train(both, "cnn")
    write_json(Path("data/tuned/cnn.json"), {"lr": 0.01})
    with pytest.raises(InputError, match=r"cnn.json: has lr, but lr, batch of cnn are 'tuned' .*; run the adopt stage"):
        train(both, "cnn")
    assert not Path("data/models").exists()
