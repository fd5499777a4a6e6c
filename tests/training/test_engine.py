"""The engine: shares of a batch, micro-batches, two processes that give one model, precision, refusals."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stages.runtime.errors import InputError
from stages.training.engine import memory_advice, start_engine
from stages.training.epoch import predict
from stages.training.steps import shares
from tests.dependencies import REPOSITORY
from tests.models.tiny import CPU, RECIPE, striped_tiles, tiny_project, trained

VIT = {"vit": {"family": "vit", "arch": "test_vit"}}  # no batch normalisation
GENTLE = replace(RECIPE, lr=1e-3)


def of(rank: int, processes: int) -> object:
    return SimpleNamespace(global_rank=rank, world_size=processes)


@pytest.mark.parametrize(("tiles", "processes", "accumulate"), [(16, 1, 1), (16, 2, 1), (13, 2, 3), (3, 2, 4)])
def test_shares_are_the_batch_and_their_weighted_means_its_mean(tiles: int, processes: int, accumulate: int) -> None:
    losses = np.random.default_rng(0).random(tiles)
    parts = [shares(of(r, processes), np.arange(tiles), accumulate, 1) for r in range(processes)]  # type: ignore[arg-type]
    assert {len(part) for part in parts} == {max(1, min(accumulate, tiles // processes))}  # as often in every process
    seen = np.concatenate([tile for part in parts for tile, factor in part if factor])
    assert sorted(seen) == list(range(tiles))
    mean = sum(factor * losses[tile].mean() for part in parts for tile, factor in part)
    assert mean == pytest.approx(losses.mean())


def test_one_process_without_accumulation_has_the_batch_itself() -> None:
    ((part, factor),) = shares(of(0, 1), np.arange(5), 1, 1)  # type: ignore[arg-type]
    assert part.tolist() == [0, 1, 2, 3, 4] and factor == 1


@pytest.mark.parametrize("accumulate", [2, 8])
def test_accumulation_gives_the_model_of_the_whole_batch(accumulate: int) -> None:
    tiles = striped_tiles(16, 3).tiles
    whole, fitted = trained("vit", GENTLE)
    split, parts = trained("vit", replace(GENTLE, accumulate=accumulate))
    engine = start_engine(CPU)
    # Adam scales rounding up where a gradient is nearly 0; by how much depends on the processor
    np.testing.assert_allclose(predict(split, tiles, 8, engine), predict(whole, tiles, 8, engine), rtol=1e-2, atol=1e-2)
    assert parts.history[-1].train_loss == pytest.approx(fitted.history[-1].train_loss, rel=1e-3)


def test_bfloat16_learns_about_the_same_and_keeps_float32_weights() -> None:
    exact, whole = trained("vit", GENTLE)
    model, fitted = trained("vit", replace(GENTLE, precision="bf16"))
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
    assert fitted.history[-1].train_loss == pytest.approx(whole.history[-1].train_loss, abs=0.1)
    assert not torch.equal(model.head.weight, exact.head.weight)


def run_stage(folder: Path, code: int = 0) -> str:
    """Run the stage as a user does; return its output."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run(
        [sys.executable, "-m", "stages.train", "vit"], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert ran.returncode == code, ran.stderr
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("tiles", [26])  # 17 to train on: the last batches are uneven
def test_two_processes_give_the_model_of_one(tmp_path: Path, tiles: int) -> None:
    recipe = {"epochs": 3, "lr": 1e-3, "batch": 6, "warmup_epochs": 1, "accumulate": 2}
    for devices in (1, 2):
        tiny_project(tmp_path / str(devices), VIT, recipe, tiles, runtime={"devices": devices, "device": "cpu"})
        said = run_stage(tmp_path / str(devices))
        assert said.count("train vit: best epoch") == 1
    one, two = (load_file(tmp_path / str(n) / "data/models/vit/model.safetensors") for n in (1, 2))
    for key, tensor in one.items():
        if "qkv.bias" not in key:  # its part for keys has no gradient but rounding, which Adam scales up
            torch.testing.assert_close(two[key], tensor, rtol=1e-3, atol=1e-5, msg=key)
    curves = [(tmp_path / str(n) / "plots/curves/vit.csv").read_text().split() for n in (1, 2)]
    for first, second in zip(*curves, strict=True):
        assert first.split(",")[:2] == second.split(",")[:2]
        if "epoch" not in first:
            assert float(second.split(",")[2]) == pytest.approx(float(first.split(",")[2]), abs=1e-3)
    assert not list((tmp_path / "2/data/checkpoints").iterdir())


@pytest.mark.slow
def test_an_error_ends_both_processes(tmp_path: Path) -> None:
    recipe = {"epochs": 1, "lr": 1e30, "batch": 6}
    tiny_project(tmp_path, VIT, recipe, runtime={"devices": 2, "device": "cpu"})
    said = run_stage(tmp_path, code=2)
    assert "error: params.yaml: the loss of vit epoch 1 is nan; lower lr" in said and "Traceback" not in said


def test_running_out_of_memory_is_told_from_other_errors() -> None:
    for error in (
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    ):
        with pytest.raises(InputError, match="out of memory in x; raise accumulate"), memory_advice("x", RECIPE, 1, 2):
            raise error
    with pytest.raises(RuntimeError, match="shapes"), memory_advice("x", RECIPE, 1, 2):
        raise RuntimeError("shapes do not match")


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"runtime.devices is 99; this machine has \d+ GPUs"):
        start_engine(torch.device("cuda"), devices=99)
    with pytest.raises(InputError, match=r"runtime.device is cuda:0 \(use cuda for several\)"):
        start_engine(torch.device("cuda:0"), devices=2)
