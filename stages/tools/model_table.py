"""The table of models in docs/models.md: `python -m stages.tools.model_table` measures it and writes it there.

Every listed architecture is built as train builds it (one neuron, random weights, later feature stages left out) and
run once for each tile side. FLOPs are those of one image's plain forward pass at 224 px, as torch's FlopCounterMode
counts them: matrix products and convolutions, a multiply-add as two; many papers give half of it.
"""

import argparse
import re

import timm
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from stages.models.cnn import CamClassifier
from stages.models.packages import package_of
from stages.models.registry import ARCHITECTURES, Architecture
from stages.models.rollout import settings_grid
from stages.models.weights import Classifier, build_classifier
from stages.tools.pages import DOCS, replace_part

PAGE = DOCS / "models.md"
HEAD = [
    "| model | family | parameters, millions | GFLOPs at 224 px | map at 112 / 224 px | pre-trained |",
    "|---|---|---|---|---|---|",
]
BLOCK = re.compile(rf"{re.escape(HEAD[0])}\n(\|.*\n)+")


def line(name: str) -> str:
    """Return the table's line for one listed model."""
    architecture = ARCHITECTURES[name]
    models = {px: build_classifier(architecture, px).eval() for px in (112, 224)}
    parameters = sum(parameter.numel() for parameter in models[224].parameters())
    cells = " / ".join("x".join(map(str, map_cells(model, px))) for px, model in models.items())
    columns = (f"`{name}`", _family(architecture), f"{parameters / 1e6:.1f}", f"{gflops(models[224], 224):.1f}", cells)
    return f"| {' | '.join((*columns, _pretrained(architecture)))} |"


@torch.inference_mode()
def gflops(model: Classifier, px: int) -> float:
    """Return 1e9 floating-point operations of one image's plain forward pass."""
    # the counter does not know every fused attention; as plain matrix products it is counted everywhere alike
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(torch.zeros(1, 3, px, px))
    return counter.get_total_flops() / 1e9


@torch.inference_mode()
def map_cells(model: Classifier, px: int) -> tuple[int, int]:
    """Return columns and rows of a heatmap."""
    images = torch.zeros(1, 3, px, px)
    if isinstance(model, CamClassifier):
        heatmaps = model(images, explain=True).heatmaps
    else:
        heatmaps = model(images, settings_grid(("mean",), (0.0,))).heatmaps
    return heatmaps.shape[3], heatmaps.shape[2]


def _family(architecture: Architecture) -> str:
    if architecture.family == "cnn":
        return f"CNN, stride {architecture.stride}"
    if architecture.stem is None:
        return "ViT"
    return f"ViT of {architecture.depth} blocks on a CNN's stride-{architecture.stride} features"


def _pretrained(architecture: Architecture) -> str:
    package = package_of(architecture.pretrained_arch)
    if package:
        source = f"package `{package.distribution}`: {package.trained_on}"
    else:
        config = timm.get_pretrained_cfg(architecture.pretrained_arch)
        source = f"hub `{config.hf_hub_id}`"
    return source + ("; its blocks: nothing" if architecture.stem else "")


def table() -> str:
    """Return the table of all listed models."""
    return "\n".join([*HEAD, *(line(name) for name in ARCHITECTURES), ""])


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    replace_part(PAGE, BLOCK, table())
