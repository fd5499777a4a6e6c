"""The command line of a stage: one line, the right exit code, and no traceback for what a user can cause."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from stages.runtime.command import run_model_stage, run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.tiling.settings import Tile

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_a_folder_with_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stage"])


def name_a_model(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", name])


def test_a_stage_prints_its_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    run_stage(lambda params: f"cut tiles of {params.read(Tile).px} px", "cut tiles")
    assert capsys.readouterr() == (f"cut tiles of {read_params().read(Tile).px} px\n", "")


def test_a_model_stage_gets_the_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    name_a_model(monkeypatch, "efficientnet_lite0")
    run_model_stage(lambda _, model: f"trained {model}", "train")
    assert capsys.readouterr().out == "trained efficientnet_lite0\n"


def test_an_unknown_model_is_named_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name_a_model(monkeypatch, "resnet")
    with pytest.raises(SystemExit) as stopped:
        run_model_stage(lambda _, model: model, "train")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: params.yaml: models has no 'resnet'; it has: efficientnet_lite0,")


def test_a_users_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def stage(_: Params) -> str:
        raise InputError("a.jpg: truncated")

    with pytest.raises(SystemExit) as stopped:
        run_stage(stage, "cut tiles")
    assert stopped.value.code == 2
    assert capsys.readouterr() == ("", "error: a.jpg: truncated\n")


def test_an_interrupt_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def stage(_: Params) -> str:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        run_stage(stage, "cut tiles")
    assert stopped.value.code == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_ran_out_is_one_line(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    def stage(_: Params) -> str:
        raise error

    with pytest.raises(SystemExit) as stopped:
        run_stage(stage, "cut tiles")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: params.yaml: out of memory; lower the stage's batch") and said.count("\n") == 1


def test_our_own_mistakes_keep_their_traceback() -> None:
    def stage(_: Params) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_stage(stage, "cut tiles")


def test_wrong_params_stop_the_stage_before_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text("tile: 3")
    with pytest.raises(SystemExit) as stopped:
        run_stage(lambda params: pytest.fail(f"must not run: {params.read(Tile)}"), "cut tiles")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: params.yaml: ")
