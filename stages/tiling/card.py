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
    """Return the number of tiles of each class (rows, in the order of `Tiles.classes`) in each split (columns).

    The column `unused` (good tiles that the split left out) is there where there are any.
    """
    table = pd.crosstab(tiles.index["defect_class"].to_numpy(), tiles.index["split"].to_numpy())
    columns = [*SPLITS, *([UNUSED] if UNUSED in table else [])]
    return table.reindex(index=list(tiles.classes), columns=columns, fill_value=0)


def defect_extents(tiles: Tiles, kind: str) -> np.ndarray:
    """Return the share of each defective tile that is defect by the truth `kind`, where it is above 0 (to 1)."""
    defective = np.flatnonzero(tiles.labels)
    shares = [
        tiles.truth(kind, defective[start : start + TILES_AT_A_TIME]).mean(axis=(1, 2))
        for start in range(0, len(defective), TILES_AT_A_TIME)
    ]
    extents = np.concatenate(shares) if shares else np.empty(0)
    return extents[extents > 0]


def brightness(tiles: Tiles) -> Brightness:
    """Return the brightness of at most 512 tiles, evenly spread over the index."""
    positions = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), STATISTICS_TILES)).round().astype(int))
    total = squares = 0.0
    for position in positions:
        pixels = tiles.images(positions=np.array([position])).astype(np.float64)
        total += pixels.mean()
        squares += (pixels**2).mean()
    mean = total / len(positions)
    return Brightness(mean, float(np.sqrt(max(squares / len(positions) - mean**2, 0.0))))


def sample_positions(tiles: Tiles, per_class: int) -> dict[str, np.ndarray]:
    """Return for each class the positions of at most `per_class` distinct tiles, by annotated share, smallest first.

    They are the middles of equal parts of the tiles in that order, so neither only typical nor only extreme ones.
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


def card_facts(tiles: Tiles) -> list[tuple[str, str]]:
    """Return name and value, both as they are printed, of what a card says besides counts.

    Args:
        tiles: one or more.
    """
    index, light = tiles.index, brightness(tiles)
    images = index.drop_duplicates("source")
    per_image = index["source"].value_counts()
    fewest, most = per_image.min(), per_image.max()
    return [
        ("images", f"{len(images):,}"),
        ("groups", f"{index['group'].nunique():,}"),
        ("duplicates", f"{images['pixels_sha'].duplicated(keep=False).sum():,} images"),
        ("per image", f"{fewest} tiles" if fewest == most else f"{fewest} to {most} tiles"),
        ("defective", f"{100 * tiles.labels.mean():.1f}% of tiles"),
        ("truth", ", ".join(tiles.truths) or "labels only"),
        ("labelled by", ", ".join(sorted(index["annotation"].unique()))),
        ("brightness", f"{light.mean:.0f} ± {light.deviation:.0f}"),
    ]
