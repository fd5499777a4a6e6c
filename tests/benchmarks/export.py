"""`python -m tests.benchmarks.export [NAME ...]`: exported graphs beside PyTorch and beside graphs without a heatmap.

One thread, batch 1, random weights, medians of calls taken in turns: PyTorch's forward pass with the heatmap and
without, onnxruntime with the heatmap and without (the classifier alone, exported), and with it in int8. Ratios: `map` =
onnxruntime with / without the heatmap; `torch` = PyTorch / onnxruntime, both with it; `int8` = float32 / int8.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from stages.exports.graph import OUTPUTS, build_graph
from stages.exports.onnx_file import open_graph, serialised, to_onnx
from stages.exports.precision import convert
from stages.models.batches import to_images
from stages.models.registry import ARCHITECTURES
from tests.exports.small import classifier, explainer_of, explanation_of, pictures

SMALL = (
    "efficientnet_lite0", "efficientnet_lite0_d", "MobileNetV3_large", "MobileNetV3_large_d", "vit_hybrid_lite0",
    "DeiT_tiny_patch16_224", "EfficientNetV2_s_d",
)  # fmt: skip
CPU = torch.device("cpu")


class Plain(nn.Module):
    """The classifier alone, from the same pixels: a probability and logits."""

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model(tiles.permute(0, 3, 1, 2).float() / 255).logits
        return (logits / self.temperature).sigmoid(), logits


def main() -> None:
    """Measure and print one line a model and discard ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=SMALL)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--int8", action="store_true", help="the same in int8, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    print(f"{arguments.px} px, batch 1, one thread, medians of {arguments.repeats}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':24} discard  torch  +map   onnx  +map   int8 | map   torch  int8")
    for name in arguments.names:
        for discard in (0.0, 0.9) if ARCHITECTURES[name].family == "vit" else (0.0,):
            milliseconds = measure(name, discard, arguments.px, arguments.repeats, arguments.int8)
            plain, mapped, onnx, onnx_mapped, int8 = (milliseconds.get(key, float("nan")) for key in CALLS)
            print(
                f"{name:24} {discard:7g} {plain:6.1f} {mapped:6.1f} {onnx:6.1f} {onnx_mapped:6.1f} {int8:6.1f} | "
                f"{onnx_mapped / onnx:5.3f} {mapped / onnx_mapped:5.2f} {onnx_mapped / int8:5.2f}",
                flush=True,
            )


CALLS = ("torch", "torch with map", "onnxruntime", "onnxruntime with map", "int8 with map")


def measure(name: str, discard: float, px: int, repeats: int, int8: bool) -> dict[str, float]:
    """Return call -> median milliseconds."""
    model, description = classifier(ARCHITECTURES[name], px, spread=8.0)
    explanation = explanation_of(ARCHITECTURES[name].family, "mean", discard)
    explainer = explainer_of(model, description, explanation)
    tiles = pictures(1, px)
    whole = to_onnx(build_graph(model, description, explanation, "rows"), px, OUTPUTS)
    plain = to_onnx(Plain(model, 0.8).eval(), px, OUTPUTS[:2])
    with_map, without = open_graph(serialised(whole)), open_graph(serialised(plain))
    calls: dict[str, Callable[[], object]] = {
        "torch": lambda: model(to_images(tiles, CPU)),
        "torch with map": lambda: explainer.heatmaps(to_images(tiles, CPU), None),
        "onnxruntime": lambda: without(tiles),
        "onnxruntime with map": lambda: with_map(tiles),
    }
    if int8:
        small = open_graph(serialised(convert(whole, "int8", [pictures(8, px, seed) for seed in range(2)])))
        calls["int8 with map"] = lambda: small(tiles)
    samples: dict[str, list[float]] = {key: [] for key in calls}
    for turn in range(repeats + 10):
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 10:
                samples[key].append((time.perf_counter() - start) * 1000)
    return {key: statistics.median(values) for key, values in samples.items()}


if __name__ == "__main__":
    main()
