"""What a data card says about a set of tiles: counts, statistics, extents of defects, and which tiles it shows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.records.tiles import Tiles
from stages.tiling.splits import SPLITS, UNUSED

TILES_AT_A_TIME = 256
STATISTICS_TILES = 512  # the mean brightness of so many tiles differs little from that of all


@dataclass(frozen=True)
class Brightness:
    """Mean and standard deviation over pixels and channels, 0..255."""

    mean: float
    deviation: float


def class_counts(tiles: Tiles) -> pd.DataFrame:
    """Return the number of tiles of each class in each split.

    Args:
        tiles: all tiles, opened with a split file.

    Returns:
        A row for each class, in the order of `Tiles.classes`, and a column for each split; the column `unused` (tiles
        that the split left out) only where there are any.
    """
    table = pd.crosstab(tiles.index["defect_class"].to_numpy(), tiles.index["split"].to_numpy())
    columns = [*SPLITS, *([UNUSED] if UNUSED in table else [])]
    return table.reindex(index=list(tiles.classes), columns=columns, fill_value=0)


def defect_extents(tiles: Tiles, kind: str) -> np.ndarray:
    """Return what share of each defective tile is defect.

    Args:
        tiles: n tiles.
        kind: of truth, boxes or exact.

    Returns:
        (m,) 0 < share <= 1, in the order of the tiles; of tiles in which this truth marks nothing there is none.
    """
    defective = np.flatnonzero(tiles.labels)
    shares = [
        tiles.truth(kind, defective[start : start + TILES_AT_A_TIME]).mean(axis=(1, 2))
        for start in range(0, len(defective), TILES_AT_A_TIME)
    ]
    extents = np.concatenate(shares) if shares else np.empty(0)
    return extents[extents > 0]


def brightness(tiles: Tiles) -> Brightness:
    """Return the brightness of at most 512 tiles, evenly spread over the index.

    Args:
        tiles: one or more.
    """
    positions = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), STATISTICS_TILES)).round().astype(int))
    total = squares = 0.0
    for position in positions:
        pixels = tiles.images(positions=np.array([position])).astype(np.float64)
        total += pixels.mean()
        squares += (pixels**2).mean()
    mean = total / len(positions)
    return Brightness(mean, float(np.sqrt(max(squares / len(positions) - mean**2, 0.0))))


def sample_positions(tiles: Tiles, per_class: int) -> dict[str, np.ndarray]:
    """Return which tiles of each class to show: small, middling and large defects.

    The tiles of a class, sorted by annotated share, are cut into equal parts; the middle one of each part is taken.

    Args:
        tiles: n tiles.
        per_class: how many of each class at most.

    Returns:
        Class -> (m,) int positions in the index, distinct, by annotated share, smallest first.
    """
    classes = tiles.index["defect_class"].to_numpy()
    areas = (tiles.index["defect_px"] / (tiles.index["width"] * tiles.index["height"])).to_numpy()
    chosen = {}
    for name in tiles.classes:
        rows = np.flatnonzero(classes == name)
        rows = rows[np.argsort(areas[rows], kind="stable")]
        count = min(per_class, len(rows))
        chosen[name] = rows[((np.arange(count) + 0.5) * len(rows) / count).astype(int)]
    return chosen
