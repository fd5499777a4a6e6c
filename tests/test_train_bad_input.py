"""Stage train on what it cannot use: one line that says what to do, exit code 2, and nothing written."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from stages.models.cnn import CamClassifier
from stages.models.settings import Model
from stages.records.paths import model_folder, split_file
from stages.runtime.command import report
from stages.runtime.params import Params, read_params
from stages.train import train
from tests.models.tiny import tiny_project
from tests.parameters import but

TINY = {"family": "cnn", "arch": "test_efficientnet", "stride": 16}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    tiny_project(tmp_path, {"net": TINY}, {"epochs": 1})
    monkeypatch.chdir(tmp_path)
    return read_params()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run stage train as its command does; return the one line that it ends with."""

    def run(params: Params, training: Mapping[str, Any] | None = None, **model: Any) -> str:
        changed = but(params, model=params.get("model") | dict(training or {}), models={"net": Model(**(TINY | model))})
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            report(lambda: train(changed, "net"))
        said = capsys.readouterr()
        assert end.value.code == 2 and not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1
        assert not Path("metrics/train").exists() and not Path("plots").exists()
        return said.err.strip()

    return run


Refused = Callable[..., str]


def test_an_unknown_architecture(params: Params, refused: Refused) -> None:
    assert "models.net.arch: timm has no 'resnet1'; near names: resnet" in refused(params, arch="resnet1")
    with_a_tag = refused(params, arch="resnet18.a9_in1k")
    assert "models.net.arch is 'resnet18.a9_in1k'" in with_a_tag and "drop what stands after the dot" in with_a_tag


@pytest.mark.parametrize(
    ("family", "arch", "reason"),
    [
        ("cnn", "swin_tiny_patch4_window7_224", "Input height (32) doesn't match model (224)"),
        ("cnn", "test_vit", "stride 32 is not in 'test_vit'; its feature stages have 16"),
        ("cnn", "test_mambaout", "not as (2, "),  # rows x columns x channels
        ("vit", "test_resnet", "no vision transformer that rollout can explain"),
        ("vit", "levit_128s", "it is a LevitDistilled, not a timm VisionTransformer"),
    ],
)
def test_an_architecture_that_cannot_be_explained(
    params: Params, refused: Refused, family: str, arch: str, reason: str
) -> None:
    stride = 32 if family == "cnn" else None
    line = refused(params, family=family, arch=arch, stride=stride)
    assert arch in line and reason in line


def test_weights_of_another_shape(params: Params, refused: Refused) -> None:
    state = timm.create_model("test_efficientnet").state_dict()
    state["blocks.1.0.conv_exp.weight"] = torch.zeros(7, 7, 3, 3)
    save_file(state, "wide.safetensors")
    line = refused(params, {"weights": "file"}, weights_path="wide.safetensors")
    assert "models.net.weights_path: wide.safetensors does not fit test_efficientnet (" in line
    assert "blocks.1.0.conv_exp.weight" in line
    save_file(timm.create_model("test_resnet").state_dict(), "other.safetensors")
    assert "does not fit test_efficientnet" in refused(params, {"weights": "file"}, weights_path="other.safetensors")


def test_a_hub_out_of_reach(params: Params, refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # nobody listens there once it is closed
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # what the stage sets goes with this test
    line = refused(params, {"weights": "hub"}, arch="test_efficientnet.r160_in1k")
    assert "models.net.weights: test_efficientnet.r160_in1k cannot be had from the model hub (" in line
    assert line.endswith("give it network, or use package, file or none")


def test_a_class_that_is_missing_in_train(params: Params, refused: Refused) -> None:
    index = pd.read_parquet("data/tiles/boards/index.parquet")
    split = pd.read_parquet(split_file("boards"))
    split.loc[(index["defect_class"] == "hole") & (split["split"] == "train"), "split"] = "unused"
    split.to_parquet(split_file("boards"), index=False)
    assert "no train tile is of class 'hole'; change split" in refused(but(params, task="multiclass"))


def test_a_batch_larger_than_the_set(params: Params, refused: Refused) -> None:
    assert "params.yaml: batch is 17, but there are only 16 train tiles" in refused(params, {"batch": 17})


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory(params: Params, refused: Refused, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    real = CamClassifier.forward

    def forward(self: CamClassifier, images: torch.Tensor, explain: bool = False) -> Any:
        if self.training:
            raise error
        return real(self, images, explain)

    monkeypatch.setattr(CamClassifier, "forward", forward)
    line = refused(params)
    assert (
        "out of memory in net; raise accumulate (now 1, at most 2)" in line and "lower batch (now 4) or tile.px" in line
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, whose writer is told that the disk is full")
def test_a_full_disk_leaves_the_old_model(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    train(params, "net")
    capsys.readouterr()
    folder = model_folder("net")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **named: Any) -> None:
        real(path, *arguments, **named)
        if path.name == ".net.new":
            (path / "model.safetensors").symlink_to("/dev/full")

    with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as end:
        patched.setattr(Path, "mkdir", mkdir)
        report(lambda: train(but(params, model=params.get("model") | {"lr": 0.02}), "net"))
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1
    assert "data/models/net: cannot be written (" in said and "No space left" in said and "is intact" in said
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
