"""Reference: the distance to the nearest good part, by a detector that has seen no defect and no label of one.

PatchCore (Roth et al. 2022, "Towards total recall in industrial anomaly detection"):

    map    = min_m |f(cell) - m|         f: features of the pre-trained network, strides 8 and 16, means of 3 x 3 cells
    score  of the tile: its highest cell, weighted anew (`stages.explainers.memory.reweighted`)

The memory m is a greedy coreset of cells of good train tiles. Features are those before the model was trained, so that
no label went into them. Cells are those of the finer stage, 8 px as a rule, whatever the model's are.

Deviations: the coreset is chosen from at most `candidates` random cells of at most `tiles` tiles, which bounds memory;
see also `stages.models.features` and `coreset`. Features are turned to principal axes, all of which are kept, so that
no distance changes.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stages.explainers.cells import Cells
from stages.explainers.good_tiles import GoodTiles, features_of, good_of, remember
from stages.explainers.memory import reweighted
from stages.explainers.method import Method
from stages.models.features import EarlyFeatures
from stages.models.outputs import Outputs, Target
from stages.models.pretrained import pretrained_classifier, why_not_again
from stages.models.trained import Description
from stages.models.weights import Classifier
from stages.records.tiles import Tiles
from stages.runtime.seeds import derive_seed

NEAREST_GOOD = "nearest_good"


@dataclass(frozen=True)
class Size:
    """How large the memory is, as `good_tiles.remember` wants it."""

    tiles: int
    candidates: int
    memory: int
    channels: None = None


def why_not(description: Description, tiles: Tiles, parameters: Any) -> str | None:
    """Return why there is no such reference for a model; None: there is.

    Args:
        description: of the model.
        tiles: of the whole data set, opened with its split.
        parameters: the section `explain`.
    """
    if not parameters.nearest_good.coreset:
        return "explain.nearest_good.coreset is 0"
    if not ((tiles.index["label"] == "good") & (tiles.index["split"] == "train")).any():
        return "no train tile is good"
    return why_not_again(description)


@torch.no_grad()
def learn(
    model: Classifier, description: Description, tiles: Tiles, parameters: Any, device: torch.device
) -> GoodTiles:
    """Fill the memory; arguments and errors as `good_tiles.learn`."""
    rule = parameters.nearest_good
    network = pretrained_classifier(description).to(device)
    seed = derive_seed(parameters.seed, NEAREST_GOOD, description.model)
    size = Size(rule.tiles, rule.candidates, rule.coreset)
    return remember(network, good_of(tiles, "train"), size, parameters.batch, seed, device)


@torch.no_grad()
def explain(model: Classifier, images: Tensor, target: Target, parameters: Any, good: GoodTiles) -> Outputs:
    """Return tile scores (N,) in place of logits, and distances (N, 1, h, w), of images (N, 3, px, px) in 0..1.

    The model and the target count for nothing; `good` is what `learn` returned.
    """
    assert good.network is not None
    features = features_of(good.network, images)
    maps = good.distances(features)
    farthest = maps.flatten(1).max(dim=1)
    cells = good.projected(features).unflatten(0, (len(images), -1))[torch.arange(len(images)), farthest.indices]
    scores = reweighted(farthest.values, cells, good.memory, parameters.nearest_good.neighbours)
    return Outputs(scores, maps)


def _cells(model: Classifier, _: Any) -> Cells:
    return Cells(EarlyFeatures(model).cell_px)


METHOD = Method(families=("cnn", "vit"), call=explain, learn=learn, cells=_cells)
