"""What the cells of a map are: how wide, and the features of which network, whose padding may have moved them."""

import math
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from stages.models.geometry import offset_px
from stages.models.trained import Description
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Cells:
    """Squares of `width_px`; where they are features of a convolutional network, that network."""

    width_px: float = math.nan
    network: nn.Module | None = None  # what images go through up to the features; None: nothing that pads
    layer: str | None = None  # name of the module whose output the features are; None: the network's own output
    features: int = 1  # along the side of a cell
    across: int | None = None  # along a tile's side, where that decides how wide they are

    def on(self, px: int) -> "Cells":
        """Return the cells of a tile of px x px, with their width."""
        return self if self.across is None else replace(self, width_px=px / self.across)


def feature_cells(model: Classifier, parameters: object) -> Cells:
    """Return the cells of maps that have a value for each feature of a CNN, or for each patch of a ViT."""
    if not isinstance(model, RolloutClassifier):
        return Cells(model.cell_px, model.backbone)
    embedding: Any = model.backbone.patch_embed
    stem = getattr(embedding, "backbone", None)  # of a hybrid, whose patches are made of features
    return Cells(model.cell_px, stem, features=embedding.patch_size[1])


def measure_offset(cells: Cells, description: Description) -> float:
    """Return how far right of and below its place the receptive field of a cell is centred, in pixels of the tile.

    It is 7.5 px at stride 16 on the generated boards. Painting cells there lowered the pointing game on exact masks
    from 0.55 to 0.34 (CNN) and from 0.53 to 0.31 (hybrid ViT): trained filters respond left and above of the centre of
    what they can see. So `explain.align`, which asks for it, is false by default.

    Raises:
        InputError: the layers of the network cannot be followed.
    """
    if cells.network is None:
        return 0.0
    try:
        return offset_px(cells.network, description.px, cells.width_px / cells.features, cells.layer)
    except ValueError as error:
        raise InputError(
            f"params.yaml: explain.align is true, but where the cells of {description.model} lie cannot be measured "
            f"({error}); set it to false"
        ) from None
