"""`python -m tests.benchmarks.heads [NAME ...]`: what finer maps cost, beside the same backbone with the thesis' head.

Random weights and tiles, one thread (or `--threads`), medians of calls taken in turns. Forward: a batch of tiles with
the heatmap. Step: forward, loss (with dense negatives where the head has them), backward, optimiser. Ratios are to the
thesis' head: mean of the map at the model's own stride.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from stages.models.registry import ARCHITECTURES
from stages.models.settings import Head
from stages.models.trained import channels_last
from stages.models.weights import build_classifier
from stages.training.loss import dense_negatives

HEADS = {
    "mean": Head(),
    "stride 16, top_k": Head(map_stride=16, pool="top_k", negatives="dense"),
    "stride 8, mean": Head(map_stride=8),
    "stride 8, top_k": Head(map_stride=8, pool="top_k", negatives="dense"),
    "stride 4, top_k": Head(map_stride=4, pool="top_k", negatives="dense"),
}


def main() -> None:
    """Measure and print one line a model and head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["efficientnet_lite0", "MobileNetV3_large"])
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"{arguments.px} px, batch {arguments.batch}, {arguments.threads} thread(s), medians of {arguments.repeats}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for name in arguments.names:
        calls = {title: _calls(name, head, arguments) for title, head in HEADS.items()}
        seconds = _medians(
            {(title, kind): call for title, pair in calls.items() for kind, call in pair.items()}, arguments
        )
        for title in HEADS:
            ratios = [seconds[title, kind] / seconds["mean", kind] for kind in ("forward", "step")]
            print(
                f"{name:20} {title:18} forward {1e3 * seconds[title, 'forward']:7.1f} ms, x {ratios[0]:.3f}"
                f"   step {1e3 * seconds[title, 'step']:7.1f} ms, x {ratios[1]:.3f}",
                flush=True,
            )


def _calls(name: str, head: Head, arguments: argparse.Namespace) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    model = channels_last(build_classifier(replace(ARCHITECTURES[name], head=head), arguments.px))
    images = torch.rand(arguments.batch, 3, arguments.px, arguments.px).to(memory_format=torch.channels_last)
    targets = (torch.arange(arguments.batch) % 2).float()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.0)

    def forward() -> None:
        model.eval()
        with torch.inference_mode():
            model(images, explain=True)

    def step() -> None:
        model.train()
        optimiser.zero_grad(set_to_none=True)
        outputs = model(images, explain=True)
        loss = binary_cross_entropy_with_logits(outputs.logits, targets)
        if head.negatives == "dense":
            assert outputs.heatmaps is not None
            loss = loss + dense_negatives(outputs.heatmaps + model.head.bias.view(1, -1, 1, 1), targets == 0, None)
        loss.backward()
        optimiser.step()

    return {"forward": forward, "step": step}


Key = tuple[str, str]  # title of a head, forward or step


def _medians(calls: dict[Key, Callable[[], object]], arguments: argparse.Namespace) -> dict[Key, float]:
    taken: dict[Key, list[float]] = {key: [] for key in calls}
    for repeat in range(arguments.repeats + 2):
        for key, call in calls.items():
            begin = time.process_time() if arguments.threads == 1 else time.perf_counter()
            call()
            end = time.process_time() if arguments.threads == 1 else time.perf_counter()
            if repeat >= 2:  # the first two warm up
                taken[key].append(end - begin)
    return {key: statistics.median(values) for key, values in taken.items()}


if __name__ == "__main__":
    main()
