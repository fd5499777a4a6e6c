"""Stage supervise on tiny tiles: off by default, taught by the truth, the same bits again, left out with its reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stages.models.trained import load_classifier, read_description
from stages.records.paths import left_out_file, model_folder, split_file, supervised_folder, tiles_folder
from stages.runtime.params import Params, read_params
from stages.supervise import supervise
from stages.train import train
from stages.training import loop
from stages.training.cells import CellTruth
from stages.training.engine import start_engine
from stages.training.epoch import predict_cells
from tests.models.tiny import CPU, tiny_project
from tests.parameters import but

CNN = {"family": "cnn", "arch": "test_efficientnet", "stride": 16}
MODELS = {"cnn": CNN, "vit": {"family": "vit", "arch": "test_vit"}}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """36 tiles, of which bars and holes are defects; boxes around both, which are exactly what was drawn."""
    tiny_project(tmp_path, MODELS, {"epochs": 3, "lr": 0.01, "ema_decay": 0.0}, tiles=36)
    monkeypatch.chdir(tmp_path)
    real = read_params()
    pixels = np.load(tiles_folder("boards") / "images-0000.npy")
    marked = ((pixels == 250) | (pixels == 0)).all(axis=3)
    np.save(tiles_folder("boards") / "boxes-0000.npy", np.packbits(marked, axis=2))
    return but(real, explain=real.get("explain") | {"references": ["supervised"]})


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def reason(name: str) -> str:
    assert [file.name for file in supervised_folder(name).iterdir()] == ["left_out.json"]
    return str(json.loads(left_out_file(supervised_folder(name)).read_text())["reason"])


def relabel(**columns: Any) -> None:
    file = tiles_folder("boards") / "index.parquet"
    pd.read_parquet(file).assign(**columns).to_parquet(file, index=False)


def test_it_is_off_by_default(params: Params) -> None:
    off = but(params, explain=params.get("explain") | {"references": []})
    assert supervise(off, "cnn") == "supervise cnn: left out, explain.references does not have it"
    assert reason("cnn") == "explain.references does not have it"


@pytest.mark.parametrize("name", MODELS)
def test_the_same_network_is_taught_where_and_the_model_itself_stays_as_it_is(params: Params, name: str) -> None:
    train(params, name)
    before = files(model_folder(name))
    said = supervise(params, name)
    assert said.startswith(f"supervise {name}: best epoch ") and said.endswith(
        "by the boxes of 16 defective train tiles"
    )
    assert files(model_folder(name)) == before
    assert set(files(supervised_folder(name))) == {"model.json", "model.safetensors", "training.json"}
    record = json.loads((supervised_folder(name) / "training.json").read_text())
    assert (record["train_tiles"], record["annotated_train_tiles"], record["val_tiles"]) == (24, 16, 12)
    assert record["best_epoch"] == min(record["epochs"], key=lambda epoch: epoch["val"])["epoch"]
    own, taught = (read_description(folder(name)) for folder in (model_folder, supervised_folder))
    assert (own.architecture.arch, own.origin, own.px) == (taught.architecture.arch, taught.origin, taught.px)
    assert taught.architecture.head.reads == ("patch_tokens" if name == "vit" else "class_token")
    first = files(supervised_folder(name))
    supervise(params, name)
    assert files(supervised_folder(name)) == first
    assert not list(Path("data/checkpoints").glob("*-*"))


def test_its_loss_on_validation_cells_is_that_of_the_weights_that_are_kept(params: Params) -> None:
    from stages.models.batches import labelled
    from stages.records.tiles import open_tiles
    from stages.training.cells import cell_loss

    supervise(params, "cnn")
    model, _ = load_classifier(supervised_folder("cnn"))
    val = labelled(open_tiles(tiles_folder("boards"), split_file("boards")), "val", "binary")
    logits = torch.from_numpy(predict_cells(model, val.tiles, 4, start_engine(CPU), (2, 2)))
    loss = cell_loss(logits, CellTruth(val.tiles, 16, (2, 2)).of(np.arange(len(val.codes)))).item()
    record = json.loads((supervised_folder("cnn") / "training.json").read_text())
    assert loss == pytest.approx(min(epoch["val"] for epoch in record["epochs"]), abs=2e-5)


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    supervise(params, "cnn")
    whole, real = files(supervised_folder("cnn")), loop.train_epoch

    def killed(*arguments: Any) -> float:
        if arguments[5] == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(loop, "train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        supervise(params, "cnn")
    monkeypatch.setattr(loop, "train_epoch", real)
    supervise(params, "cnn")
    assert "cnn supervised: goes on after epoch 2" in capsys.readouterr().err
    assert files(supervised_folder("cnn")) == whole


def test_a_classifier_of_kinds_gets_one_neuron_that_says_where(params: Params) -> None:
    supervise(but(params, task="multiclass"), "cnn")
    assert read_description(supervised_folder("cnn")).neurons == 1
    kinds = files(supervised_folder("cnn"))
    supervise(params, "cnn")
    assert files(supervised_folder("cnn"))["model.safetensors"] == kinds["model.safetensors"]


def test_without_any_good_tile_it_is_taught_all_the_same(params: Params) -> None:
    relabel(label="defective")
    np.save(tiles_folder("boards") / "boxes-0000.npy", np.full((36, 32, 4), 255, np.uint8))
    assert supervise(params, "cnn").endswith("by the boxes of 24 defective train tiles")


def test_defects_that_nobody_marked_are_left_out(params: Params) -> None:
    truth = np.load(tiles_folder("boards") / "boxes-0000.npy")
    truth[1] = 0  # a bar among the train tiles
    np.save(tiles_folder("boards") / "boxes-0000.npy", truth)
    assert supervise(params, "cnn").endswith("by the boxes of 15 defective train tiles")


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("truth", "the data set has no annotated area"),
        ("train", "no defective train tile is annotated"),
        ("val", "no defective val tile is annotated"),
    ],
)
def test_without_truth_it_is_left_out_and_says_why(params: Params, case: str, expected: str) -> None:
    file = tiles_folder("boards") / "boxes-0000.npy"
    truth = np.load(file)
    if case == "truth":
        file.unlink()
    else:
        truth[slice(None, 24) if case == "train" else slice(24, None)] = 0
        np.save(file, truth)
    assert supervise(params, "cnn") == f"supervise cnn: left out, {expected}"
    assert reason("cnn") == expected
