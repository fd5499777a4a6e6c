"""Going on after a kill: same bytes in the end, no stranger's state, no second process, nothing half-written."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.records.paths import training_lock
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.train import train
from stages.training import loop as training_module
from stages.training.checkpoint import Checkpoint
from stages.training.identity import ROOMS, hash_definition, hash_tiles
from stages.training.state import State
from tests.dependencies import REPOSITORY, used_files
from tests.models.tiny import tiny_project
from tests.parameters import but

CNN = {"cnn": {"family": "cnn", "arch": "test_efficientnet", "stride": 16}}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}


def kill(folder: Path, kills: int) -> tuple[str, list[int]]:
    """Return what the driver printed, and after which epochs trainings went on."""
    command = [sys.executable, "-m", "tests.training.killed_training", "cnn", str(kills), "0"]
    ran = subprocess.run(command, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, [int(epoch) for epoch in re.findall(r"^cnn: goes on after epoch (\d+)$", ran.stderr, re.M)]


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    tiny_project(tmp_path, CNN, {"epochs": 6, "ema_decay": 0.9, "warmup_epochs": 2})
    said, epochs = kill(tmp_path, 2)
    assert re.match("2 kills, [123] trainings went on, ", said) and epochs


@pytest.mark.slow
def test_ten_kills(tmp_path: Path) -> None:
    tiny_project(tmp_path, CNN, {"epochs": 20, "ema_decay": 0.9, "warmup_epochs": 2}, tiles=48)
    said, epochs = kill(tmp_path, 10)
    assert re.match(r"10 kills, \d+ trainings went on, \d+ finished with the same bytes", said)
    assert len(epochs) >= 5 and len(set(epochs)) >= 4  # kills all over the training, not all at its start


Stop = Callable[[int], None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Params, Stop]:
    """A project to train in, and a function that makes the next training end before an epoch."""
    tiny_project(tmp_path, CNN, {"epochs": 4})
    monkeypatch.chdir(tmp_path)
    real = training_module.train_epoch

    def stop_before(last: int) -> None:
        def run(state: State, *arguments: Any) -> float:
            if len(state.history) + 1 == last:
                raise KeyboardInterrupt
            return real(state, *arguments)

        monkeypatch.setattr(training_module, "train_epoch", run)

    return read_params(), stop_before


def checkpoints() -> list[Path]:
    return sorted(Path("data/checkpoints").glob("*/last.pt"))


def test_changed_parameters_or_data_never_see_an_old_state(
    project: tuple[Params, Stop], capsys: pytest.CaptureFixture[str]
) -> None:
    params, stop_before = project
    stop_before(3)
    with pytest.raises(KeyboardInterrupt):
        train(params, "cnn")
    assert len(checkpoints()) == 1
    stop_before(99)
    for other in (
        but(params, model=params.get("model") | {"lr": 0.02}),
        but(params, task="binary", models={"cnn": params.models["cnn"] | {"stride": 32}}),
    ):
        train(other, "cnn")
        assert "goes on" not in capsys.readouterr().err
    tile = Path("data/tiles/boards/images-0000.npy")
    content = bytearray(tile.read_bytes())
    content[-1] ^= 1
    tile.write_bytes(content)
    train(params, "cnn")
    assert "goes on" not in capsys.readouterr().err
    content[-1] ^= 1
    tile.write_bytes(content)
    assert len(checkpoints()) == 1  # that of the first run
    train(params, "cnn")
    assert "cnn: goes on after epoch 2" in capsys.readouterr().err
    assert not checkpoints()


def test_a_state_that_cannot_be_read_starts_anew(
    project: tuple[Params, Stop], capsys: pytest.CaptureFixture[str]
) -> None:
    params, stop_before = project
    stop_before(2)
    with pytest.raises(KeyboardInterrupt):
        train(params, "cnn")
    checkpoints()[0].write_bytes(checkpoints()[0].read_bytes()[:999])
    stop_before(99)
    train(params, "cnn")
    assert "last.pt: not readable" in (said := capsys.readouterr().err) and "goes on" not in said


def test_an_orphan_is_detected(project: tuple[Params, Stop]) -> None:
    params, _ = project
    orphan = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib\nfrom stages.records.locks import locked\n"
            "with locked(pathlib.Path(sys.argv[1]), 'training cnn'):\n"
            "    print('holds', flush=True)\n    time.sleep(600)",
            str(training_lock("cnn")),
        ],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
    )
    try:
        assert orphan.stdout and orphan.stdout.readline() == b"holds\n"
        with pytest.raises(InputError, match=rf"cnn.lock: process {orphan.pid} is training cnn already"):
            train(params, "cnn")
        assert not Path("data/models").exists()
    finally:
        orphan.kill()
        orphan.communicate()
    train(params, "cnn")  # the lock went with the process


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "x")
    checkpoint.save({"epoch": torch.tensor(1)})

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"last.pt: cannot be written .*No space left.*was there before is intact"):
        checkpoint.save({"epoch": torch.tensor(2)})
    assert checkpoint.load() == {"epoch": torch.tensor(1)}


def test_a_hash_is_of_contents_and_says_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_project(tmp_path, CNN, {})
    monkeypatch.chdir(tmp_path)
    shard = Path("data/tiles/boards/images-0000.npy")
    tiles = hash_tiles("boards")
    os.utime(shard, (1, 1))
    assert hash_tiles("boards") == tiles and len(tiles) == 3
    shard.write_bytes(b"2")
    assert hash_tiles("boards") != tiles
    shard.with_name("index.parquet").unlink()
    with pytest.raises(InputError, match=r"index.parquet: missing"):
        hash_tiles("boards")
    first = hash_definition({"lr": 1.0}, tiles)
    assert re.fullmatch("[0-9a-f]{16}", first) and first == hash_definition({"lr": 1.0}, tiles)
    assert len({first, hash_definition({"lr": 2.0}, tiles), hash_definition({"lr": 1.0}, tiles[:2])}) == 3


def test_a_hash_is_of_all_code_that_a_training_runs() -> None:
    used = {file.parent.name for file in used_files("train")} - {"stages"}
    assert used == set(ROOMS)


def test_model_json_has_the_calibration(project: tuple[Params, Stop]) -> None:
    params, _ = project
    train(params, "cnn")
    description = json.loads(Path("data/models/cnn/model.json").read_text())
    assert 0.05 <= description["temperature"] <= 20 and 0 < description["threshold"] < 1
