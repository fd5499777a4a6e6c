"""Tiles and methods made of arrays, to be measured without any file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stages.scoring.measure import Alarms, Measured, measure
from stages.scoring.methods import Method
from stages.scoring.settings import Score

RULE = Score(127, 0.5, "f1", 15.0, 4, 0)


@dataclass(frozen=True)
class TilesInMemory:
    """Test tiles, as `stages.scoring.tiles.ScoredTiles`."""

    masks: Mapping[str, np.ndarray]  # truth -> (n, px, px)
    defective: np.ndarray  # (n,)
    having: Mapping[str, np.ndarray] = field(default_factory=dict)  # truth -> (n,) which tiles have it; none: all

    @property
    def truths(self) -> tuple[str, ...]:
        return tuple(self.masks)

    @property
    def px(self) -> int:
        return next(iter(self.masks.values())).shape[1]

    def rows(self, split: str) -> np.ndarray:
        return np.arange(len(self.defective))

    def truth(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {kind: mask[rows] for kind, mask in self.masks.items()}

    def known(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {kind: self.having.get(kind, np.ones(len(self.defective), bool))[rows] for kind in self.masks}


def method_of(
    maps: np.ndarray,
    probability: np.ndarray,
    truths: tuple[str, ...],
    px: int,
    cell_px: float | None = None,
    offset_px: float = 0.0,
) -> Method:
    """Return a method with these heatmaps (n, S, h, w)."""
    settings = tuple(f"s{place}" for place in range(maps.shape[1]))
    discards = tuple(0.1 * place for place in range(maps.shape[1]))
    cell_px, grid = cell_px or px / maps.shape[3], (maps.shape[2], maps.shape[3])
    read = lambda rows: maps[rows]  # noqa: E731
    return Method("net", settings, discards, grid, px, cell_px, offset_px, True, False, read, probability, truths)


def measured(
    maps: np.ndarray,
    truths: Mapping[str, np.ndarray],
    probability: np.ndarray,
    cell_px: float | None = None,
    offset_px: float = 0.0,
    defective: np.ndarray | None = None,
    alarms: Alarms | None = None,
    having: Mapping[str, np.ndarray] | None = None,
) -> Measured:
    """Measure heatmaps (n, S, h, w) against truths (n, px, px); pixels are pooled."""
    tiles = TilesInMemory(truths, np.ones(len(maps), bool) if defective is None else defective, having or {})
    method = method_of(maps, probability, tiles.truths, tiles.px, cell_px, offset_px)
    return measure([method], tiles, "test", RULE, alarms or {})["net"]
