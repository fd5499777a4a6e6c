"""Maps averaged at test time: a tile is explained flipped, turned and at several scales, and the maps are averaged.

    map = mean over scales s and turns t of   onto_grid( t^-1( values_s( explain( t( tile at scale s )))))

Each map is turned back and moved to the grid of the largest scale (linear between cell centres), whose cells are the
smallest: features of stride 16 on a tile enlarged twice are cells of 8 px. Where a network's last cells reach beyond
the tile or stop short of its border, or padding moves them (`explain.align`), the cells of a mirrored tile lie between
those of the tile; all maps are then moved to cells of about half the width that fill the tile.

Scales are averaged as they are for a method whose cells stand for themselves (CAM: the mean over the tile is the
score). Where the cells share a whole, as rollout's attention, which adds up to at most 1 however many there are, values
are first multiplied by (new cell / old cell)^2, so that the sum over the tile means the same at every scale
(`Method.shares`).

The sum does not depend on the order of the maps, so with `flips: all` a flipped tile has exactly the flipped map,
bit for bit at scale 1 and within rounding at others. Logits are those of the tile itself: the classifier stays what it
is. With one scale of 1 and no flips nothing here is computed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from stages.explainers.cells import Cells, measure_offset
from stages.explainers.grids import Grid, resample
from stages.explainers.settings import ExplainCommon
from stages.explainers.turns import TURNS, Turn
from stages.models.geometry import refuse_uncovered
from stages.models.outputs import Outputs, Target, target_classes
from stages.models.resized import resized
from stages.models.trained import Description
from stages.models.weights import Classifier

Explain = Callable[[Classifier, Tensor, Target], Outputs]


@dataclass(frozen=True)
class Scale:
    """A tile at one scale: the classifier that takes it, and where the cells of its map lie in it."""

    model: Classifier
    cells: Grid  # px is the side of the enlarged tile

    def enlarge(self, images: Tensor) -> Tensor:
        """Return tiles (N, 3, px, px) at this scale, bilinear; themselves at scale 1."""
        px = self.cells.px
        if images.shape[-1] == px:
            return images
        smaller = px < images.shape[-1]
        return torch.nn.functional.interpolate(images, size=(px, px), mode="bilinear", antialias=smaller)


@dataclass(frozen=True)
class Views:
    """All that one method explains of a tile of px x px."""

    model: Classifier
    px: int
    scales: tuple[Scale, ...]  # the largest last
    turns: tuple[Turn, ...]
    shares: bool  # whether the cells of a map share a whole

    @property
    def grid(self) -> Grid:
        """Where the cells of the averaged map lie."""
        finest = self.scales[-1].cells
        if finest.even or not any(turn.down or turn.across for turn in self.turns):
            return finest
        return Grid(self.px, self.px / (2 * math.ceil(finest.px / finest.cell_px)))

    def explain(self, explain: Explain, images: Tensor, target: Target, name: str) -> Outputs:
        """Return the logits of tiles (N, 3, px, px) in 0..1, and their averaged heatmaps (N, S, rows, columns).

        Args:
            explain: (classifier, images, target) -> logits and heatmaps (N, S, h, w) on the cells of a scale.
            images: the tiles.
            target: see `stages.models.outputs.select_score`; the predicted class is that of the tile itself.
            name: of the method, for messages.

        Raises:
            InputError: a map is not that of a tile.
        """
        itself_first = sorted(self.scales, key=lambda scale: scale.cells.px != self.px)
        logits = self.model(images).logits if itself_first[0].cells.px != self.px else None
        made = []
        for scale, turn in product(itself_first, self.turns):
            if logits is not None:
                target = target_classes(logits, target)
            outputs = explain(scale.model, turn.of(scale.enlarge(images)), target)
            assert outputs.heatmaps is not None
            refuse_uncovered(outputs.heatmaps.shape[2:], scale.cells.cell_px, scale.cells.px, name)
            logits = outputs.logits if logits is None else logits
            made.append((scale, turn, turn.back(outputs.heatmaps)))
        assert logits is not None
        return Outputs(logits, self._averaged(made))

    def _averaged(self, made: Sequence[tuple[Scale, Turn, Tensor]]) -> Tensor:
        """Return the mean of maps (N, S, h, w) on the cells of their scales, turned back."""
        grid, finest = self.grid, self.scales[-1]
        rows, columns = next(maps.shape[2:] for scale, _, maps in made if scale == finest)
        if grid != finest.cells:
            rows = columns = round(grid.px / grid.cell_px)
        moved = []
        for scale, turn, maps in made:
            cells = scale.cells.mirrored(maps.shape[2], maps.shape[3], turn.down, turn.across)
            ratio = (grid.cell_px / grid.px) / (cells.cell_px / cells.px)
            values = maps * ratio**2 if self.shares and ratio != 1 else maps
            moved.append(resample(values, cells, grid, rows, columns))
        if len(moved) == 1:
            return moved[0]
        total, *others = torch.stack(moved).sort(dim=0).values  # so that it does not matter which view had which value
        for value in others:
            total = total + value
        return total / len(moved)


def prepare_views(
    model: Classifier,
    description: Description,
    parameters: ExplainCommon,
    cells: Callable[[Classifier, ExplainCommon], Cells],
    shares: bool,
) -> Views:
    """Return what `explain.flips` and `explain.scales` ask for.

    Args:
        model, description: that are explained.
        parameters: the section `explain`.
        cells, shares: of a `Method`.

    Raises:
        InputError: the model cannot take a tile at one of the scales, or its cells cannot be placed as asked for.
    """
    scales = []
    for scale in sorted(parameters.scales):
        px = scaled_px(description.px, scale)
        scaled = model if px == description.px else resized(model, px, f"explain.scales has {scale:g}, which")
        own = cells(scaled, parameters).on(px)
        offset = measure_offset(own, replace(description, px=px)) if parameters.align else 0.0
        scales.append(Scale(scaled, Grid(px, own.width_px, offset, offset)))
    return Views(model, description.px, tuple(scales), TURNS[parameters.flips], shares)


def scaled_px(px: int, scale: float) -> int:
    """Return the side of a tile of px x px at a scale, in whole pixels.

    >>> scaled_px(112, 1.5)
    168
    """
    return round(px * scale)
