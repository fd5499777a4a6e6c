"""What tests of exported files share: tiny classifiers whose attention tells tokens apart, and pictures."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import yaml

from stages.explainers.explainer import Explainer, prepare_explainers
from stages.explainers.good_tiles import GoodTiles, Spread, has_cam
from stages.explainers.methods import Explain
from stages.explainers.settings import Methods
from stages.exports.graph import ATTENTION, OUTPUTS, build_graph
from stages.exports.onnx_file import open_graph, serialised, to_onnx, without_outputs
from stages.exports.parity import Parity, compare
from stages.models.batches import to_images
from stages.models.features import EarlyFeatures
from stages.models.registry import Architecture
from stages.models.settings import Head
from stages.models.trained import Description, build_described, channels_last
from stages.models.weights import SCRATCH, Classifier
from stages.runtime.params import Params
from stages.scores.scores import Explanation
from tests.dependencies import REPOSITORY

CLASSES = ("good", "hole", "short")


def pictures(count: int, px: int, seed: int = 0) -> np.ndarray:
    """Return smooth noise and some noise as fine as a pixel: (count, px, px, 3) uint8."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (count, px // 8 + 1, px // 8 + 1, 3)).repeat(8, 1).repeat(8, 2)[:, :px, :px]
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def classifier(
    architecture: Architecture, px: int, classes: tuple[str, ...] = ("good", "defective"), spread: float = 1.0
) -> tuple[Classifier, Description]:
    """Return a classifier with random weights, and its description.

    Args:
        architecture, px, classes: of the classifier; more than two classes are several kinds.
        spread: what queries and keys of a ViT are multiplied by: without it the attention of random weights is even.
    """
    task: Any = "binary" if len(classes) == 2 else "multiclass"
    description = Description("net", architecture, px, task, classes, SCRATCH, 0.8, 0.4)
    torch.manual_seed(0)
    model = channels_last(build_described(description)).eval()
    model.head.bias.data = torch.linspace(-1, 1, len(model.head.bias))  # type: ignore[union-attr, arg-type]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("attn.qkv.weight"):
                parameter[: 2 * len(parameter) // 3] *= spread
    return model, description


def explanation_of(family: str, fusion: str = "mean", discard: float = 0.0) -> Explanation:
    method = "cam" if family == "cnn" else "rollout"
    return Explanation(method, "cam" if family == "cnn" else fusion, discard, 0, False, True, {})


def explainer_of(
    model: Classifier, description: Description, explanation: Explanation, normalise: str = "rows"
) -> Explainer:
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    methods = Methods((explanation.method,), (explanation.method,))
    section = replace(Params(content).read(Explain), control=False, normalise=normalise, methods=methods)
    if explanation.fusion != explanation.method:
        section = replace(section, fusion=(explanation.fusion,))
    if explanation.method == "novelty":
        novelty = replace(section.novelty, weights=(explanation.discard,))
        (explainer,) = prepare_explainers(model, description, replace(section, novelty=novelty))
        return replace(explainer, learned=good_tiles_of(model, description.px, section.fusion))
    if explanation.method == "rollout":
        section = replace(section, discard=(explanation.discard,))
    (explainer,) = prepare_explainers(model, description, section)
    return explainer


@torch.no_grad()
def good_tiles_of(model: Classifier, px: int, fusions: tuple[str, ...]) -> GoodTiles:
    """Return a memory of the features of some pictures, in six directions at right angles."""
    with EarlyFeatures(model).heard() as heard:
        model(to_images(pictures(4, px, 7), torch.device("cpu")))
    cells = heard().permute(0, 2, 3, 1).flatten(0, 2)
    axes = torch.linalg.qr(cells[:6].mT).Q
    memory = (cells - cells.mean(dim=0)) @ axes
    class_maps = {fusion: Spread(0.1, 0.03) for fusion in ((None,) if has_cam(model) else fusions)}
    scale = float(memory.std())
    return GoodTiles(memory[::5].contiguous(), cells.mean(dim=0), axes, Spread(scale, scale / 2), class_maps, None)


def exported_parity(
    model: Classifier,
    description: Description,
    explanation: Explanation,
    batches: list[np.ndarray],
    normalise: str = "rows",
) -> Parity:
    """Export a classifier and compare the graph with PyTorch."""
    watch = explanation.method == "rollout" and explanation.discard > 0
    explainer = explainer_of(model, description, explanation, normalise)
    graph = build_graph(model, description, explanation, normalise, watch, explainer.learned)
    watched = to_onnx(graph, description.px, (*OUTPUTS, ATTENTION) if watch else OUTPUTS)
    run = open_graph(serialised(without_outputs(watched, [ATTENTION])))
    return compare(run, open_graph(serialised(watched)) if watch else None, graph, explainer, description, batches)


TINY_CNN = Architecture("cnn", "test_efficientnet", 16)
TINY_VIT = Architecture("vit", "test_vit", None)


def tiny_cnn(head: Head) -> Architecture:
    return replace(TINY_CNN, head=head)
