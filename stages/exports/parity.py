"""Does an exported graph compute what PyTorch computes? Both on the same validation tiles.

PyTorch is what the pipeline itself runs: the explainer of stage explain and the calibration of stage train.

Discarding in rollout is a step: of two attentions that differ in their last bit one is kept and one is not, and which
one it is depends on how a processor adds up; so do two versions of PyTorch differ. What must be exact is that the same
attention leads to the same kept entries, ties included. So a graph that discards is compared in two parts: its
attention with PyTorch's, and its map with PyTorch's rollout of the graph's own attention. How far apart the maps are
from end to end, and on how many tiles other entries were kept, is reported.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stages.classification.calibration import probabilities
from stages.explainers.explainer import Explainer
from stages.explainers.target import defect_target
from stages.exports.graph import ATTENTION
from stages.exports.onnx_file import Run
from stages.models.batches import to_images
from stages.models.rollout import Setting, discard_thresholds, rollout
from stages.models.trained import Description
from stages.runtime.errors import InputError

LIMIT = 1e-4  # of the largest difference of a probability, and of a map relative to its range
LEAST_RANGE = 0.01  # of the range of all maps: what a nearly constant map's difference is relative to
CPU = torch.device("cpu")

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Parity:
    """The largest differences over the tiles that were compared; NaN where there is nothing to compare."""

    tiles: int
    probability: float
    logits: float
    heatmap: float  # relative to the map's range, see `relative_differences`; of rollout by the graph's own attention
    features: float  # relative to the range of all features
    heatmap_end_to_end: float  # as heatmap, against PyTorch's own attention
    attention: float  # relative to the largest attention of the tile
    other_entries_tiles: int  # tiles on which rounding put another entry over the threshold of a discard


@dataclass(frozen=True)
class Outputs:
    """What one side computed of n tiles."""

    probability: Floats  # (n,) or (n, K)
    logits: Floats  # likewise
    heatmap: Floats  # (n, rows, columns)
    features: Floats  # (n, C)
    attention: Floats | None  # (n, layers, tokens, tokens), fused; None where nothing is discarded


def refuse_different(model: str, parity: Parity) -> None:
    """Raise an `InputError` where probability, map or attention differ by more than `LIMIT`, or by NaN."""
    for name in ("probability", "heatmap", "features", *(() if np.isnan(parity.attention) else ("attention",))):
        if not (difference := getattr(parity, name)) <= LIMIT:
            raise InputError(
                f"data/export/{model}.onnx: not written: its {name} differs from PyTorch's by {difference:.2g} on "
                f"{parity.tiles} validation tiles (at most {LIMIT:g}); leave {model} out of export.models"
            )


def compare(
    final: Run,
    watched: Run | None,
    graph: nn.Module,
    explainer: Explainer,
    description: Description,
    batches: Iterable[NDArray[np.uint8]],
) -> Parity:
    """Compare a graph with PyTorch.

    Args:
        final: the exported graph.
        watched: the same with its attention as one more output, where something is discarded.
        graph: the module that was exported, which pools the features (stage explain has none) and fuses the attention.
        explainer: of the classifier, with the chosen setting alone.
        description: of the classifier.
        batches: tiles (n, px, px, 3) each.
    """
    ours, theirs, replayed = [], [], []
    for tiles in batches:
        found = final(tiles) | ({} if watched is None else {ATTENTION: watched(tiles)[ATTENTION]})
        ours.append(Outputs(**(found if watched is not None else found | {ATTENTION: None})))
        theirs.append(by_torch(graph, explainer, description, tiles))
        attention = ours[-1].attention
        replayed.append(theirs[-1].heatmap if attention is None else replay(attention, explainer, theirs[-1].heatmap))
    graph_side, torch_side = _joined(ours), _joined(theirs)
    expected = torch_side.heatmap if watched is None else np.concatenate(replayed)
    return Parity(
        tiles=len(graph_side.logits),
        probability=_largest(graph_side.probability, torch_side.probability),
        logits=_largest(graph_side.logits, torch_side.logits),
        heatmap=float(relative_differences(graph_side.heatmap, expected).max()),
        features=_largest(graph_side.features, torch_side.features) / max(_range(torch_side.features), 1e-30),
        heatmap_end_to_end=float(relative_differences(graph_side.heatmap, torch_side.heatmap).max()),
        **_compare_attention(ours, theirs, explainer),
    )


@torch.no_grad()
def by_torch(graph: nn.Module, explainer: Explainer, description: Description, tiles: NDArray[np.uint8]) -> Outputs:
    """Return what PyTorch makes of tiles (n, px, px, 3); the features, which the pipeline keeps nowhere, by `graph`."""
    images = to_images(tiles, CPU)
    explained = explainer.heatmaps(images, defect_target(explainer.model, description, images))
    assert explained.heatmaps is not None
    logits = explained.logits.numpy()
    temperature = float("nan") if description.temperature is None else description.temperature
    probability = probabilities(logits, temperature)
    others = [value.numpy() for value in graph(torch.from_numpy(tiles))[3:]]
    return Outputs(
        probability[:, 1] if logits.ndim == 1 else probability,
        logits,
        explained.heatmaps[:, 0].numpy(),
        others[0],
        others[1] if len(others) > 1 else None,
    )


def replay(attention: Floats, explainer: Explainer, like: Floats) -> Floats:
    """Return PyTorch's rollout, as maps of the shape of `like`, of fused attention (n, layers, tokens, tokens)."""
    setting = _setting(explainer)
    layers = list(torch.from_numpy(attention).unbind(1))
    model: Any = explainer.model
    rolled = rollout({setting.fusion: layers}, (setting,), explainer.parameters.normalise)
    maps: Floats = model.to_map(rolled)[:, 0].numpy().reshape(like.shape)
    return maps


def relative_differences(found: Floats, expected: Floats) -> Floats:
    """Return (n,) the largest difference of the cells of each of n maps, (n, rows, columns), relative to its range.

        max |found - expected| / max(highest - lowest of the expected map, 0.01 x highest - lowest of all of them)

    The second keeps a map that is nearly constant from being compared by its rounding.
    """
    flat = expected.reshape(len(expected), -1).astype(np.float64)
    ranges = np.maximum(flat.max(axis=1) - flat.min(axis=1), LEAST_RANGE * _range(flat))
    apart = np.abs(found.reshape(flat.shape) - flat).max(axis=1)
    return np.where(apart == 0, 0.0, apart / np.where(ranges > 0, ranges, np.finfo(np.float32).tiny))


def _compare_attention(ours: list[Outputs], theirs: list[Outputs], explainer: Explainer) -> dict[str, Any]:
    largest, other_entries = [], 0
    for own, their in zip(ours, theirs, strict=True):
        if own.attention is None or their.attention is None:
            continue
        apart = np.abs(own.attention - their.attention).max(axis=(1, 2, 3)) / their.attention.max(axis=(1, 2, 3))
        largest.append(float(apart.max()))
        kept, expected = (_kept(each.attention, _setting(explainer)) for each in (own, their))
        other_entries += int((kept != expected).any(axis=(1, 2, 3)).sum())
    return {"attention": float(np.max(largest)) if largest else float("nan"), "other_entries_tiles": other_entries}


def _kept(attention: Floats | None, setting: Setting) -> NDArray[np.bool_]:
    """Return which entries of fused attention (n, layers, tokens, tokens) a discard keeps, by PyTorch's own rule."""
    assert attention is not None
    layers = torch.from_numpy(attention).flatten(0, 1)
    kept: NDArray[np.bool_] = (layers > discard_thresholds(layers, (setting.discard,))[:, :, None]).numpy()
    return kept.reshape(attention.shape)


def _setting(explainer: Explainer) -> Setting:
    (setting,) = explainer.settings
    return Setting(setting["fusion"], setting["discard"])


def _joined(parts: list[Outputs]) -> Outputs:
    fields = [asdict(part) for part in parts]
    joined = {name: np.concatenate([each[name] for each in fields]) for name in fields[0] if name != ATTENTION}
    return Outputs(**joined, attention=None)


def _largest(found: Floats, expected: Floats) -> float:
    return float(np.abs(found.astype(np.float64) - expected).max())


def _range(values: Floats) -> float:
    return float(values.max()) - float(values.min())
