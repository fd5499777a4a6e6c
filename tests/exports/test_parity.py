"""Exported graphs compute what PyTorch computes: every pool, both families, both tasks, every way to roll out."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stages.explainers.methods import Explain
from stages.exports.exportable import why_not_exportable
from stages.exports.graph import OUTPUTS, build_graph
from stages.exports.onnx_file import open_graph, serialised, to_onnx
from stages.exports.parity import LIMIT, Parity, refuse_different, relative_differences
from stages.models.pools import POOLS
from stages.models.registry import Architecture
from stages.models.settings import Head
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.scores.scores import Explanation
from tests.exports.small import (
    CLASSES,
    TINY_CNN,
    TINY_VIT,
    classifier,
    explanation_of,
    exported_parity,
    pictures,
    tiny_cnn,
)

BINARY = ("good", "defective")
BATCHES = [pictures(5, 64), pictures(1, 64, 1), pictures(3, 64, 2)]


def assert_alike(parity: Parity) -> None:
    refuse_different("net", parity)
    assert parity.tiles == 9 and parity.logits < 1e-3


@pytest.mark.parametrize(
    ("pool", "map_stride", "classes"),
    [
        *((pool, 8, BINARY) for pool in POOLS),
        *((pool, None, CLASSES) for pool in POOLS),
        ("mean", None, ("hole", "scratch", "short")),
    ],
)
def test_every_pool(pool: str, map_stride: int | None, classes: tuple[str, ...]) -> None:
    head = Head(pool=pool, map_stride=map_stride, share=0.2, width=16)  # type: ignore[arg-type]
    parity = exported_parity(*classifier(tiny_cnn(head), 64, classes), explanation_of("cnn"), BATCHES)
    assert_alike(parity)
    assert np.isnan(parity.attention) and parity.heatmap == parity.heatmap_end_to_end


@pytest.mark.parametrize(
    ("fusion", "discard", "normalise", "classes"),
    [
        ("mean", 0.0, "rows", BINARY),
        ("min", 0.9, "rows", CLASSES),
        ("max", 0.5, "rows", BINARY),
        ("max", 0.0, "published", BINARY),
        ("mean", 0.8, "published", CLASSES),
    ],
)
def test_rollout(fusion: str, discard: float, normalise: str, classes: tuple[str, ...]) -> None:
    explanation = explanation_of("vit", fusion, discard)
    parity = exported_parity(*classifier(TINY_VIT, 64, classes, spread=20.0), explanation, BATCHES, normalise)
    assert_alike(parity)
    assert np.isnan(parity.attention) == (discard == 0)
    assert parity.other_entries_tiles == 0 or parity.heatmap_end_to_end > parity.heatmap


TINY_HYBRID = Architecture("vit", "test_vit", 16, "test_efficientnet", 2)


@pytest.mark.parametrize(
    ("architecture", "px", "fusion", "weight", "classes"),
    [
        (tiny_cnn(Head(pool="top_k", map_stride=4, width=16)), 72, "novelty", 2.0, CLASSES),  # cells beyond the tile
        (TINY_VIT, 64, "max", 1.0, BINARY),
        pytest.param(
            replace(TINY_HYBRID, head=Head(reads="patch_tokens")), 64, "novelty", 4.0, BINARY, marks=pytest.mark.slow
        ),
        pytest.param(TINY_CNN, 64, "novelty", 0.0, BINARY, marks=pytest.mark.slow),  # the class map on the finer grid
    ],
)
def test_novelty(architecture: Architecture, px: int, fusion: str, weight: float, classes: tuple[str, ...]) -> None:
    explanation = Explanation("novelty", fusion, weight, 0, False, True, {})
    assert why_not_exportable("net", architecture, explanation, read_params().read(Explain)) is None
    batches = [pictures(5, px), pictures(1, px, 1), pictures(3, px, 2)]
    assert_alike(exported_parity(*classifier(architecture, px, classes, spread=20.0), explanation, batches))


def test_what_a_file_holds_is_the_same_in_every_run_and_names_no_place() -> None:
    model, description = classifier(TINY_CNN, 64)
    graph = build_graph(model, description, explanation_of("cnn"), "rows")
    first, second = (to_onnx(graph, 64, OUTPUTS) for _ in range(2))
    assert serialised(first) == serialised(second)
    assert b".py" not in serialised(first) and not first.graph.doc_string
    convolutions = sum(node.op_type == "Conv" for node in first.graph.node)
    assert convolutions == sum(isinstance(module, torch.nn.Conv2d) for module in model.modules())  # the map's once


def test_names_types_and_shapes_are_those_of_the_documentation() -> None:
    model, description = classifier(TINY_VIT, 64, CLASSES)
    run = open_graph(serialised(to_onnx(build_graph(model, description, explanation_of("vit"), "rows"), 64, OUTPUTS)))
    found = run(pictures(3, 64))
    assert list(found) == ["probability", "logits", "heatmap", "features"]
    assert {name: value.shape for name, value in found.items()} == {
        "probability": (3, 3), "logits": (3, 3), "heatmap": (3, 4, 4), "features": (3, 64),
    }  # fmt: skip
    assert all(value.dtype == np.float32 for value in found.values())
    np.testing.assert_allclose(found["probability"].sum(axis=1), 1, rtol=1e-6)


def test_a_difference_is_relative_to_the_maps_range_unless_that_is_tiny() -> None:
    expected = np.array([[[0.0, 10.0]], [[5.0, 5.0]], [[1.0, 1.0]]])
    found = expected + np.array([[[0.0, 1.0]], [[0.01, 0.0]], [[0.0, 0.0]]])
    # 1 of 10; 0.01 of a hundredth of 0..10; none
    assert relative_differences(found, expected).tolist() == pytest.approx([0.1, 0.1, 0.0])
    assert relative_differences(np.ones((1, 1, 2)), np.zeros((1, 1, 2)))[0] > 1e30


@pytest.mark.parametrize("name", ["probability", "heatmap", "features", "attention"])
@pytest.mark.parametrize("difference", [2 * LIMIT, float("inf")])
def test_what_differs_is_refused_in_one_line(name: str, difference: float) -> None:
    alike = Parity(9, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 2)
    refuse_different("net", alike)
    with pytest.raises(InputError, match=rf"net\.onnx: not written: its {name} differs from PyTorch's by .* 9 valid"):
        refuse_different("net", replace(alike, **{name: difference}))


def test_nan_is_refused() -> None:
    with pytest.raises(InputError, match="its probability differs"):
        refuse_different("net", Parity(9, float("nan"), 0.0, 0.0, 0.0, 0.0, float("nan"), 0))


@pytest.mark.parametrize(
    ("family", "changed", "explain", "message"),
    [
        (
            "cnn",
            {"method": "gradcam"},
            {},
            r"by 'gradcam', which .* put cam or novelty first \(-S 'explain.methods.cnn=\[cam\]'\), or leave net out",
        ),
        ("vit", {"method": "lrp"}, {}, r"put rollout or novelty first \(-S 'explain.methods.vit=\[rollout\]'\)"),
        ("vit", {"method": "cam"}, {}, "which an exported graph cannot hold of it; put rollout or novelty first"),
        ("vit", {"fusion": "median"}, {}, "fusion 'median', which an exported graph cannot hold; it can hold min"),
        ("cnn", {}, {"flips": "all"}, "explain.flips and explain.scales average maps of several forward passes"),
        ("cnn", {}, {"scales": (1.0, 2.0)}, "set them to none and \\[1.0\\]"),
    ],
)
def test_an_explanation_that_no_graph_can_hold_is_named(
    family: str, changed: dict[str, str], explain: dict[str, Any], message: str
) -> None:
    architecture = TINY_CNN if family == "cnn" else TINY_VIT
    explanation, parameters = explanation_of(family), read_params().read(Explain)
    assert why_not_exportable("net", architecture, explanation, parameters) is None
    reason = why_not_exportable("net", architecture, replace(explanation, **changed), replace(parameters, **explain))
    assert reason is not None and re.search(message, reason)


def test_a_vit_that_reads_its_patches_is_exported_with_cam_and_not_with_rollout() -> None:
    architecture = replace(TINY_VIT, head=Head(reads="patch_tokens", pool="top_k", share=0.2))
    explanation = replace(explanation_of("cnn"), own=True)
    for classes in (BINARY, CLASSES):
        model, description = classifier(architecture, 64, classes)
        assert why_not_exportable("net", architecture, explanation, read_params().read(Explain)) is None
        assert_alike(exported_parity(model, description, explanation, BATCHES))
    reason = why_not_exportable("net", architecture, explanation_of("vit"), read_params().read(Explain))
    assert reason is not None and "put cam or novelty first (-S 'explain.methods.vit=[cam]')" in reason


def test_novelty_of_another_network_is_not_exported() -> None:
    parameters = read_params().read(Explain)
    parameters = replace(parameters, novelty=replace(parameters.novelty, features="pretrained"))
    explanation = Explanation("novelty", "novelty", 1.0, 0, False, True, {})
    reason = why_not_exportable("net", TINY_CNN, explanation, parameters)
    assert reason is not None and "use own (-S explain.novelty.features=own)" in reason
