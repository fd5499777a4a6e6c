"""The regions of a photograph's heatmap at every decision threshold at once, and which defect each one shows.

As `stages.inspection` finds them: a tile is shown when its probability of a defect is high enough, a pixel of a shown
tile is lit when the blended map is above a level, and a region is what is lit and 8-connected. Its peak is where the
map is highest. A region finds the defect that its peak lies in or near, and is a false one where there is none: so
however far it spreads, it finds one defect at most. The map is blended once, with every tile shown; where tiles
overlap widely, inspection's, which has those alone that are shown, is darker along their borders.

When the threshold falls, tiles are added, and regions grow and meet. Parts that are lit in one tile stay parts, so
each photograph is labelled once, tile by tile, and the rest is uniting parts (a forest of disjoint sets).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

NONE = -1  # no defect
DARK = -1
NEIGHBOURS = [(down, across) for down in (0, 1, 2) for across in (0, 1, 2) if (down, across) != (1, 1)]


@dataclass(frozen=True)
class LitParts:
    """What a photograph's map lights up, cut where another tile is the surest that covers a pixel: n parts.

    Attributes:
        probability: (n,) of that tile, falling.
        area_px: (n,).
        peak: (n,) highest value of the map; peak_y, peak_x: where. Of equal pixels the one farthest from the tile's
            border counts, which is the centre of a cell at the border, then the first.
        touching: (m, 2) pairs of parts of different tiles that have pixels side by side or corner to corner.
    """

    probability: NDArray[np.float64]
    area_px: NDArray[np.int64]
    peak: NDArray[np.uint8]
    peak_y: NDArray[np.int64]
    peak_x: NDArray[np.int64]
    touching: NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """What regions say of a photograph; entry i holds for thresholds from its probability down to the next one's.

    Attributes:
        probability: (s,) falling; a tile is shown when its own is not below the threshold.
        false: (s,) regions whose peak is at no defect.
        found: (s,) defects with a region's peak.
    """

    probability: NDArray[np.float64]
    false: NDArray[np.int64]
    found: NDArray[np.int64]


def lit_parts(heat: NDArray[np.uint8], windows: ArrayLike, probability: ArrayLike, level: float) -> LitParts:
    """Take apart what a map lights up.

    Args:
        heat: (H, W) with every tile shown, as `stages.metrics.blend.blend` returns it.
        windows: (t, 4) x, y, width and height of the tiles, inside the map.
        probability: (t,) of a defect.
        level: pixels above it are lit.
    """
    windows, probability = np.asarray(windows, np.int64), np.asarray(probability, np.float64)
    labels = np.zeros((heat.shape[0] + 2, heat.shape[1] + 2), np.int32)  # with a border; 0: in no tile so far
    parts: list[list[NDArray]] = []
    pairs: list[NDArray] = []
    known = 0
    for tile in np.argsort(-probability, kind="stable"):
        x, y, width, height = windows[tile]
        around = labels[y : y + height + 2, x : x + width + 2]
        inner, values = around[1:-1, 1:-1], heat[y : y + height, x : x + width]
        free = inner == 0
        lit = free & (values > level)
        count, own, statistics, _ = cv2.connectedComponentsWithStats(lit.view(np.uint8), connectivity=8)
        if count > 1:
            rows, columns = np.nonzero(lit)
            number = own[rows, columns] - 1
            pairs += _neighbours(around, rows, columns, number + known)
            at = _peaks(values[rows, columns], rows, columns, number, (height, width))
            area_px = statistics[1:, cv2.CC_STAT_AREA]
            of_tile = np.full(count - 1, probability[tile])
            parts.append([of_tile, area_px, values[rows, columns][at], rows[at] + y, columns[at] + x])
        inner[free] = np.where(lit, own + known, DARK)[free]
        known += count - 1
    if not parts:
        nothing = np.zeros(0, np.int64)
        return LitParts(np.zeros(0), nothing, nothing.astype(np.uint8), nothing, nothing, nothing.reshape(0, 2))
    touching = np.unique(np.concatenate(pairs), axis=0) if pairs else np.zeros((0, 2), np.int64)
    of_tile, area_px, peak, peak_y, peak_x = (np.concatenate(column) for column in zip(*parts, strict=True))
    return LitParts(of_tile, area_px, peak, peak_y, peak_x, touching)


def _neighbours(
    around: NDArray[np.int32], rows: NDArray[np.intp], columns: NDArray[np.intp], number: NDArray[np.integer]
) -> list[NDArray[np.int64]]:
    """Return pairs (part of an earlier tile, part of this one) that touch; `around` begins a pixel before the tile."""
    if not (around > 0).any():
        return []
    found = []
    for down, across in NEIGHBOURS:
        other = around[rows + down, columns + across]
        if (other > 0).any():
            found.append(np.stack((other - 1, number), axis=1)[other > 0].astype(np.int64))
    return found


def _peaks(
    values: NDArray[np.uint8],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    number: NDArray[np.integer],
    extent: tuple[int, int],
) -> NDArray[np.intp]:
    """Return which pixel is the peak of each part 0, 1, ...; pixels are in reading order."""
    highest = np.zeros(number.max() + 1, np.uint8)
    np.maximum.at(highest, number, values)
    at = np.flatnonzero(values == highest[number])
    inside_px = [
        np.minimum(place, side - 1 - place) for place, side in zip((rows[at], columns[at]), extent, strict=True)
    ]
    order = np.lexsort((-np.minimum(*inside_px), number[at]))  # stable: of equal ones the first
    _, first = np.unique(number[at][order], return_index=True)
    return at[order][first]


class Defects:
    """The defects of a photograph: the 8-connected components of its truth (H, W)."""

    def __init__(self, truth: NDArray[np.bool_]) -> None:
        count, labels = cv2.connectedComponents(np.ascontiguousarray(truth).view(np.uint8), connectivity=8)
        self.count = count - 1
        rows, columns = np.nonzero(labels)
        self._labels = labels[rows, columns] - 1
        pixels = np.stack((rows, columns), axis=1)
        self._pixels = cKDTree(pixels, balanced_tree=False, compact_nodes=False) if self.count else None

    def near(self, y: ArrayLike, x: ArrayLike, tolerance_px: float) -> NDArray[np.int64]:
        """Return (n,) the number of the defect nearest to each place, `NONE` where none is within the tolerance.

        Args:
            y, x: (n,) pixels.
            tolerance_px: largest distance between centres of pixels; 0: in the defect itself.
        """
        places = np.stack((np.asarray(y, np.int64), np.asarray(x, np.int64)), axis=1)
        found = np.full(len(places), NONE, np.int64)
        if self._pixels is not None and len(places):
            distance_px, pixel = self._pixels.query(places)
            close = distance_px <= tolerance_px
            found[close] = self._labels[pixel[close]]
        return found


def regions_by_threshold(parts: LitParts, defect: Sequence[int], min_region_px: int = 1) -> Steps:
    """Return how many regions are false and how many defects are found as the decision threshold falls.

    Args:
        parts: of one photograph.
        defect: (n,) the number of the defect at each part's peak, `NONE` for none.
        min_region_px: smaller regions do not count.
    """
    parent, area_px = list(range(len(defect))), parts.area_px.tolist()
    peak, shows = parts.peak.tolist(), [int(number) for number in defect]
    regions_at: dict[int, int] = {}  # defect, or NONE -> how many regions show it
    earlier: list[list[int]] = [[] for _ in parent]  # of each part those that it touches and that were there before
    for one, other in parts.touching.tolist():
        earlier[max(one, other)].append(min(one, other))

    def count(root: int, by: int) -> None:
        if area_px[root] >= min_region_px:
            regions_at[shows[root]] = regions_at.get(shows[root], 0) + by

    def root_of(part: int) -> int:
        while parent[part] != part:
            parent[part] = parent[parent[part]]
            part = parent[part]
        return part

    steps: list[tuple[float, int, int]] = []
    probability = parts.probability.tolist()
    for part, touched in enumerate(earlier):
        count(part, 1)
        for other in touched:
            one, two = sorted((root_of(part), root_of(other)))
            if one != two:
                count(one, -1)
                count(two, -1)
                parent[two] = one  # the surer tile's part stays, and with it the peak unless the other is higher
                area_px[one] += area_px[two]
                if peak[two] > peak[one]:
                    peak[one], shows[one] = peak[two], shows[two]
                count(one, 1)
        if part + 1 == len(probability) or probability[part + 1] < probability[part]:
            found = sum(regions > 0 for defect, regions in regions_at.items() if defect != NONE)
            step = (probability[part], regions_at.get(NONE, 0), found)
            if step[1:] != (steps[-1][1:] if steps else (0, 0)):
                steps.append(step)
    columns = np.array(steps, np.float64).reshape(-1, 3).T
    return Steps(columns[0], columns[1].astype(np.int64), columns[2].astype(np.int64))
