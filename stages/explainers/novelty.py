"""Novelty: what speaks for a defect and is unlike every good part.

    novelty = z(class map) + weight z(distance),  z(a) = (a - mean) / standard deviation over good validation tiles

The class map is the CAM; of a ViT that reads its class token, attention rollout without discarding (one for each
fusion). The distance is that of early features to the nearest of a memory of good training tiles (PatchCore, Roth et
al. 2022, sections 3.1 and 3.2; see `stages.models.features`, `stages.explainers.memory`): it knows no defect, and marks
whatever is rare. Validation tiles choose the weight as they choose rollout's discard ratio; a weight of 0 is the class
map on the finer grid.

The two lie on the finer grid of both, the coarser one enlarged bilinearly. With the classifier's own features both come
from one forward pass. Deviations from PatchCore: features are those of the classifier where `features` is `own`; they
are projected to their strongest principal axes, in which the nearest is looked for; distances are not weighted anew for
a score of the whole image.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from stages.explainers.cells import Cells
from stages.explainers.good_tiles import GoodTiles, Look, cell_px, fusions_of, learn, look
from stages.explainers.method import MapSetting, Method
from stages.models.geometry import enlarged
from stages.models.outputs import Outputs, Target
from stages.models.weights import Classifier
from stages.runtime.convert import DISTINCT, at_least
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Novelty:
    """Whose features are compared, with how many good ones, and how much the distance counts."""

    features: Literal["own", "pretrained"]
    weights: Annotated[tuple[Annotated[float, at_least(0)], ...], DISTINCT]
    tiles: Annotated[int, at_least(1)]
    candidates: Annotated[int, at_least(1)]
    memory: Annotated[int, at_least(1)]
    channels: Annotated[int, at_least(1)] | None


def explain(model: Classifier, images: Tensor, target: Target, parameters: Any, good: GoodTiles) -> Outputs:
    """Return logits and heatmaps (N, fusions x weights, h, w) of images (N, 3, px, px) in 0..1, fusions outermost.

    Args:
        model: a CNN or a ViT.
        images: to explain.
        target: whose class map it is, see `stages.models.outputs.select_score`.
        parameters: the section `explain`, of which `novelty.weights`, and `fusion` and `normalise` of a ViT count.
        good: what `learn` learned for this model.

    Raises:
        InputError: the target is not one of the classes.
    """
    weights = parameters.novelty.weights
    compared = any(weights)
    seen = look(model, images, target, parameters, good.network if compared else None)
    distance = 0 * next(iter(seen.class_maps.values()))
    if compared:
        distance = _distance(seen, good)
    maps = [
        good.class_maps[fusion].standardised(of_fusion) + weight * distance
        for fusion, of_fusion in seen.class_maps.items()
        for weight in weights
    ]
    return Outputs(seen.logits, torch.cat(maps, dim=1))


def explain_distance(model: Classifier, images: Tensor, target: Target, parameters: Any, good: GoodTiles) -> Outputs:
    """Return logits and the standardised distance alone, (N, 1, h, w); arguments as `explain`, no class counts."""
    seen = look(model, images, target, parameters, good.network)
    return Outputs(seen.logits, _distance(seen, good))


def _distance(seen: Look, good: GoodTiles) -> Tensor:
    """Return (N, 1, h, w) the standardised distance on the common grid."""
    distances = good.distance.standardised(good.distances(seen.features))
    return enlarged(distances, seen.coarser, seen.rows_columns)


def _settings(model: Classifier, parameters: Any) -> list[MapSetting]:
    return [
        MapSetting(f"{fusion}_weight_{weight:g}" if fusion else f"weight_{weight:g}", fusion, weight)
        for fusion in fusions_of(model, parameters)
        for weight in parameters.novelty.weights
    ]


def _one_setting(parameters: Any, setting: MapSetting) -> Any:
    fusion = {"fusion": (setting.fusion,)} if setting.fusion else {}
    return replace(parameters, novelty=replace(parameters.novelty, weights=(setting.discard,)), **fusion)


def _refuse(parameters: Any, _: int) -> None:
    if parameters.align:
        raise InputError(
            "params.yaml: explain.align is true, but novelty adds maps of several strides, whose cells padding moves "
            "differently; set it to false, or leave novelty out of explain.methods"
        )
    if parameters.scales != (1.0,):
        raise InputError(
            f"params.yaml: explain.scales is {list(parameters.scales)}, but novelty compares features with those of "
            "good tiles at scale 1; set it to [1.0], or leave novelty out of explain.methods"
        )


def _cells(model: Classifier, _: Any) -> Cells:
    return Cells(cell_px(model))


DISTANCE = Method(families=("cnn", "vit"), call=explain_distance, learn=learn, cells=_cells, refuse=_refuse)
METHOD = Method(
    families=("cnn", "vit"),
    call=explain,
    learn=learn,
    settings=Novelty,
    cells=_cells,
    refuse=_refuse,
    settings_of=_settings,
    one_setting=_one_setting,
    varies="weight",
    controls={"novelty_distance": DISTANCE},
)
