"""A small model in the exported form: what it sees in a tile is worked out by hand.

A tile's heatmap is the mean redness of its 2 x 2 cells; its logit is (highest cell - 100) / 10; its features are the
mean of each channel / 255. So a tile is defective where a quarter of it is redder than 100.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from stages.exports.metadata import FORMAT_VERSION
from stages.exports.seal import sealed

PX = 16


def statistics(low: float, mean: float, high: float) -> dict[str, Any]:
    places = ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")
    return {"mean": mean, "std": 1.0, "quantiles": dict(zip(places, np.linspace(low, high, 7).tolist(), strict=True))}


def metadata(**changes: Any) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "model": "reds",
        "family": "cnn",
        "architecture": "none",
        "task": "binary",
        "classes": ["good", "defective"],
        "dataset": "plates",
        "tile": {"px": PX, "overlap_px": 0, "mode": "window", "border": "drop"},
        "heatmap": {
            "method": "cam",
            "name": "cam",
            "fusion": "cam",
            "discard": 0.0,
            "normalise": None,
            "rows": 2,
            "columns": 2,
            "cell_px": PX / 2,
            "offset_px": 0.0,
        },
        "thresholds": {
            "decision": 0.5,
            "decision_from": "validation",
            "heatmap_level": 127.0,
            "heatmap_level_from": "validation",
        },
        "temperature": 1.0,
        "precision": "float32",
        "reference": {
            "split": "val",
            "tiles": 100,
            "probability": statistics(0.0, 0.5, 1.0),
            "lit_share": statistics(0.0, 0.5, 1.0),
            "brightness": statistics(0.02, 0.3, 0.6),
            "sharpness": statistics(-1.0, 50.0, 1e9),
            "feature_distance": statistics(0.0, 1.0, 3.0),
            "feature_mean": [0.2, 0.3, 0.2],
            "feature_std": [0.3, 0.3, 0.3],
        },
        "versions": {},
        "weights_sha256": "0" * 64,
    } | changes


def graph(kinds: int = 0) -> bytes:
    """Return the graph; with `kinds` of defects it has a probability for good and each kind, the last likeliest."""
    f32 = TensorProto.FLOAT
    count = 1 + kinds if kinds else None
    scores = [-1.0] + [number / max(kinds, 1) for number in range(1, kinds + 1)]
    nodes = [
        helper.make_node("Cast", ["tiles"], ["float"], to=f32),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["cells"], kernel_shape=[PX // 2] * 2, strides=[PX // 2] * 2),
        helper.make_node("Slice", ["cells", "zero", "one", "axis"], ["red"]),
        helper.make_node("Squeeze", ["red", "axis"], ["heatmap"]),
        helper.make_node("ReduceMax", ["heatmap", "sides"], ["highest"], keepdims=0),
        helper.make_node("Sub", ["highest", "hundred"], ["above"]),
        helper.make_node("Div", ["above", "ten"], ["score"]),
        helper.make_node("ReduceMean", ["nchw", "image_sides"], ["means"], keepdims=0),
        helper.make_node("Div", ["means", "white"], ["features"]),
    ]
    if kinds:
        nodes += [
            helper.make_node("Unsqueeze", ["score", "axis"], ["column"]),
            helper.make_node("Mul", ["column", "scores"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probability"], axis=1),
        ]
    else:
        nodes += [
            helper.make_node("Identity", ["score"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["probability"]),
        ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "axis": np.array([1]),
        "sides": np.array([1, 2]),
        "image_sides": np.array([2, 3]),
        "hundred": np.float32(100),
        "ten": np.float32(10),
        "white": np.float32(255),
        "scores": np.array([scores], np.float32),
    }
    last = ["N"] if count is None else ["N", count]
    made = helper.make_graph(
        nodes,
        "reds",
        [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["N", PX, PX, 3])],
        [
            helper.make_tensor_value_info("probability", f32, last),
            helper.make_tensor_value_info("logits", f32, last),
            helper.make_tensor_value_info("heatmap", f32, ["N", 2, 2]),
            helper.make_tensor_value_info("features", f32, ["N", 3]),
        ],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_model(path: Path, kinds: int = 0, **changes: Any) -> Path:
    """Write the model; `changes` replace entries of its metadata."""
    path.write_bytes(sealed(graph(kinds), json.dumps(metadata(**changes))))
    return path


def plate(height: int, width: int, *spots: tuple[int, int, int, int], colour=(40, 60, 40)) -> np.ndarray:
    """Return a plate (height, width, 3) RGB with red spots (x, y, width, height)."""
    pixels = np.full((height, width, 3), colour, np.uint8)
    for x, y, w, h in spots:
        pixels[y : y + h, x : x + w] = (220, 30, 30)
    return pixels
