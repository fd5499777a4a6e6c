"""What good tiles look like to a network: a memory of their features, and how far good tiles are from it.

Good training tiles fill the memory; good validation tiles, which it does not hold, say what mean and standard deviation
class map and distance have where nothing is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.explainers import cam, rollout
from stages.explainers.memory import coreset, nearest_distance
from stages.explainers.target import defect_target
from stages.models.batches import to_images
from stages.models.cnn import CamClassifier
from stages.models.features import EarlyFeatures
from stages.models.geometry import enlarged
from stages.models.outputs import Target
from stages.models.pretrained import pretrained_classifier
from stages.models.rollout import settings_grid
from stages.models.trained import Description
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError
from stages.runtime.seeds import derive_seed


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over all cells of good validation tiles."""

    mean: float
    std: float

    @classmethod
    def of(cls, maps: Tensor) -> "Spread":
        """Measure maps of any shape; what is the same everywhere has no spread and stays 0 when it is standardised."""
        values = maps.cpu().double()
        std = float(values.std(correction=0))
        return cls(float(values.mean()), std if std > 0 else 1.0)

    def standardised(self, maps: Tensor) -> Tensor:
        """Return (maps - mean) / std."""
        return (maps - self.mean) / self.std


@dataclass(frozen=True)
class GoodTiles:
    """What was learned from good tiles for one model."""

    memory: Tensor  # (M, P) features of good training tiles, centred and projected
    centre: Tensor  # (C,) mean of the candidates for the memory
    axes: Tensor  # (C, P) their principal axes: unit length, at right angles
    distance: Spread  # of the distance to the memory
    class_maps: dict[str | None, Spread]  # fusion of attention heads, None where the class map is a CAM
    network: Classifier | None  # whose features they are; None: the explained model's own

    def distances(self, features: Tensor) -> Tensor:
        """Return (N, 1, h, w) how far features (N, C, h, w) are from the memory, Euclidean."""
        count, _, rows, columns = features.shape
        return nearest_distance(self.projected(features), self.memory).view(count, 1, rows, columns)

    def projected(self, features: Tensor) -> Tensor:
        """Return features (N, C, h, w) as (N h w, P), cells as the memory has them, row by row."""
        return (features.permute(0, 2, 3, 1).flatten(0, 2) - self.centre) @ self.axes

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it but the network, by name, to be saved."""
        spreads = {"distance": self.distance} | {
            f"class_map.{fusion}" if fusion else "class_map": own for fusion, own in self.class_maps.items()
        }
        numbers = {
            f"{name}.{key}": torch.tensor(value, dtype=torch.float64)
            for name, own in spreads.items()
            for key, value in vars(own).items()
        }
        return {"memory": self.memory, "centre": self.centre, "axes": self.axes, **numbers}


@dataclass(frozen=True)
class Look:
    """What is seen of N images: logits as `Outputs` has them, class maps on the finer of both grids, and features."""

    logits: Tensor
    class_maps: dict[str | None, Tensor]  # fusion -> (N, 1, h, w), not standardised
    features: Tensor  # (N, C, h', w')
    rows_columns: tuple[int, ...]  # h, w
    coarser: float  # side of a cell of the features divided by that of the class maps: 1 or more


def has_cam(model: Classifier) -> bool:
    """Return whether the neurons of a model read its cells or patches, so that it has a map of each class."""
    return isinstance(model, CamClassifier) or model.reads_patches


def fusions_of(model: Classifier, parameters: Any) -> tuple[str | None, ...]:
    """Return what class maps a model has: its CAM alone (None), or a rollout for each fusion of attention heads."""
    return (None,) if has_cam(model) else tuple(parameters.fusion)


def cell_px(model: Classifier) -> float:
    """Return the side of the cells that class map and distance share: those of the finer of the two."""
    return min(model.cell_px, EarlyFeatures(model).cell_px)


def look(model: Classifier, images: Tensor, target: Target, parameters: Any, network: Classifier | None = None) -> Look:
    """Explain images (N, 3, px, px) in 0..1 by the class map, and hear their early features.

    The class map is the CAM; of a ViT that reads its class token, attention rollout without discarding, which knows no
    class.

    Args:
        model, images, target, parameters: as every explanation method takes them.
        network: whose features are heard, in a forward pass of its own; None: those of the model, in the same one.
    """
    features = EarlyFeatures(model)
    with features.heard() as heard:
        if has_cam(model):
            logits, maps = cam.explain(model, images, target)
        else:
            settings = settings_grid(tuple(parameters.fusion), (0.0,))
            assert isinstance(model, RolloutClassifier)
            logits, maps = rollout.explain(model, images, target, settings=settings, normalise=parameters.normalise)
    found = heard() if network is None else features_of(network, images)
    assert maps is not None
    maps, rows_columns, coarser = common_grid(maps, model.cell_px, found, features.cell_px)
    of_fusion = dict(zip(fusions_of(model, parameters), maps.split(1, dim=1), strict=True))
    return Look(logits, of_fusion, found, rows_columns, coarser)


def common_grid(
    maps: Tensor, maps_px: float, features: Tensor, features_px: float
) -> tuple[Tensor, tuple[int, ...], float]:
    """Return class maps (N, K, h, w) on the finer of both grids, its rows and columns, and `Look.coarser`.

    Args:
        maps, features: (N, any, rows, columns) of the same tiles.
        maps_px, features_px: side of their cells in pixels of the tile.
    """
    finest = min(maps_px, features_px)
    rows_columns = (maps if maps_px == finest else features).shape[2:]
    return enlarged(maps, maps_px / finest, rows_columns), rows_columns, features_px / finest


@torch.no_grad()
def learn(
    model: Classifier, description: Description, tiles: Tiles, parameters: Any, device: torch.device
) -> GoodTiles:
    """Learn what good tiles look like to a model; the same tiles and parameters give the same.

    Args:
        model: in evaluation mode, on `device`.
        description: of the model.
        tiles: of the whole data set, opened with its split.
        parameters: the section `explain` of params.yaml.
        device: that computes.

    Raises:
        InputError: no training or no validation tile is good, or the pre-trained weights cannot be had.
    """
    rule = parameters.novelty
    network = None if rule.features == "own" else pretrained_classifier(description).to(device)
    seed = derive_seed(parameters.seed, "novelty", description.model)
    train, val = (good_of(tiles, split) for split in ("train", "val"))
    unscaled = replace(remember(network or model, train, rule, parameters.batch, seed, device), network=network)
    distances: list[Tensor] = []
    class_maps: dict[str | None, list[Tensor]] = {fusion: [] for fusion in fusions_of(model, parameters)}
    for images in _batches(val, np.arange(len(val)), parameters.batch, device):
        seen = look(model, images, defect_target(model, description, images), parameters, network)
        distances.append(unscaled.distances(seen.features))
        for fusion, maps in seen.class_maps.items():
            class_maps[fusion].append(maps)
    spreads = {fusion: Spread.of(torch.cat(maps)) for fusion, maps in class_maps.items()}
    return replace(unscaled, distance=Spread.of(torch.cat(distances)), class_maps=spreads)


def remember(network: Classifier, train: Tiles, rule: Any, batch: int, seed: int, device: torch.device) -> GoodTiles:
    """Return a memory of what a network sees at cells of good tiles, distances not standardised.

    Args:
        network: whose features they are, in evaluation mode, on `device`.
        train: the good tiles.
        rule: how many `tiles`, `candidates`, cells in the `memory`, and principal `channels` (None: all).
        batch: tiles per forward pass.
        seed: of the choice.
        device: that computes.
    """
    candidates = _candidates(network, train, rule, batch, seed, device)
    centre = candidates.mean(dim=0)
    axes = _principal_axes(candidates - centre, rule.channels)
    projected = (candidates - centre) @ axes
    memory = projected[coreset(projected, rule.memory, seed)].contiguous()
    return GoodTiles(memory, centre, axes, Spread(0, 1), {}, network)


def good_of(tiles: Tiles, split: str) -> Tiles:
    """Return the good tiles of a split.

    Raises:
        InputError: there is none.
    """
    index = tiles.index
    if not ((index["label"] == "good") & (index["split"] == split)).any():
        raise InputError(
            f"{tiles.folder}: no tile of split {split} is good, and novelty compares with good ones; leave it out of "
            "explain.methods in params.yaml"
        )
    return Tiles(tiles.folder, index[index["label"] == "good"]).select(split)


def _candidates(network: Classifier, train: Tiles, rule: Any, batch: int, seed: int, device: torch.device) -> Tensor:
    """Return (M, C) the features at random cells of random tiles: as many of each tile, in the order of the tiles."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(train))[: rule.tiles])
    each = max(1, rule.candidates // len(chosen))
    found = []
    for images in _batches(train, chosen, batch, device):
        cells = features_of(network, images).flatten(2).mT  # (N, cells, C)
        for of_tile in cells:
            places = np.sort(random.permutation(len(of_tile))[:each])
            found.append(of_tile[torch.from_numpy(places).to(device)])
    return torch.cat(found)


def features_of(network: Classifier, images: Tensor) -> Tensor:
    """Return the early features (N, C, h, w) of images (N, 3, px, px) in 0..1, in a forward pass of their own."""
    with EarlyFeatures(network).heard() as heard:
        network(images)
    return heard()


def _principal_axes(centred: Tensor, channels: int | None) -> Tensor:
    """Return (C, P) the axes along which (M, C) centred features vary most, strongest first; all for None."""
    exact = centred.cpu().double()
    axes = torch.linalg.eigh(exact.mT @ exact).eigenvectors.flip(1)
    return axes[:, :channels].to(centred)


def _batches(tiles: Tiles, rows: np.ndarray, batch: int, device: torch.device) -> Iterator[Tensor]:
    for start in range(0, len(rows), batch):
        yield to_images(tiles.images(rows[start : start + batch]), device)
