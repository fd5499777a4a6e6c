"""The regions of a photograph's heatmap at every threshold at once, and which defect each one shows.

As `stages.inspection` finds them: a pixel is lit when the blended map is above a level, and a region is what is lit and
8-connected. Here no tile is black; instead each part of the lit area that lies in one tile has a confidence, and parts
below a threshold are not shown:

    confidence = probability of a defect of the tile x highest value of the map in the part / 255

The peak of a region is that of its surest part. A region finds the defect that its peak lies in or near, and is a false
one where there is none: so however far it spreads, it finds one defect at most. When the threshold falls, regions grow
and meet. Each photograph is labelled once, tile by tile; the rest is uniting parts (a forest of disjoint sets).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

NONE = -1  # no defect
DARK = -1
AROUND = np.ones((3, 3), np.uint8)
NEIGHBOURS = [(down, across) for down in (0, 1, 2) for across in (0, 1, 2) if (down, across) != (1, 1)]


@dataclass(frozen=True)
class LitParts:
    """What a photograph's map lights up, cut where another tile is the surest that covers a pixel: n parts.

    Attributes:
        confidence: (n,) 0..1, falling.
        area_px: (n,).
        peak_y, peak_x: (n,) where the map is highest. Of equal pixels the one farthest from the tile's border counts,
            which is the centre of a cell at the border, then the first.
        touching: (m, 2) parts of different tiles that have pixels side by side or corner to corner.
    """

    confidence: NDArray[np.float64]
    area_px: NDArray[np.int64]
    peak_y: NDArray[np.int64]
    peak_x: NDArray[np.int64]
    touching: NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """What regions say of a photograph; entry i holds for thresholds from its confidence down to the next one's.

    Attributes:
        confidence: (s,) falling; a part is shown when its own is not below the threshold.
        false: (s,) regions whose peak is at no defect.
        found: (s,) defects with a region's peak.
    """

    confidence: NDArray[np.float64]
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
    pairs: list[NDArray[np.int64]] = []
    known = 0
    for tile in np.argsort(-probability, kind="stable").tolist():
        x, y, width, height = windows[tile].tolist()
        around = labels[y : y + height + 2, x : x + width + 2]
        inner, values = around[1:-1, 1:-1], heat[y : y + height, x : x + width]
        free = inner == 0
        lit = free & (values > level)
        count, own, statistics, _ = cv2.connectedComponentsWithStats(lit.view(np.uint8), connectivity=8)
        if count > 1:
            own += np.int32(known)
            pairs += _neighbours(around, lit, own)
            highest, rows, columns = _peaks(values, lit, own, known + 1, count - 1)
            confidence = probability[tile] * (highest / 255)
            parts.append([confidence, statistics[1:, cv2.CC_STAT_AREA], rows + y, columns + x])
        np.copyto(inner, own, where=lit)
        np.copyto(inner, DARK, where=free & ~lit)
        known += count - 1
    if not parts:
        nothing = np.zeros(0, np.int64)
        return LitParts(np.zeros(0), nothing, nothing, nothing, nothing.reshape(0, 2))
    confidence, area_px, rows, columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-confidence, kind="stable")
    place = np.argsort(order)  # of each part, counted from 0, among those sorted
    touching = np.zeros((0, 2), np.int64)
    if pairs:
        both = np.sort(place[np.concatenate(pairs, axis=1) - 1], axis=0)
        touching = np.stack(np.divmod(np.unique(both[0] * known + both[1]), known), axis=1)
    return LitParts(confidence[order], area_px[order].astype(np.int64), rows[order], columns[order], touching)


def _neighbours(around: NDArray[np.int32], lit: NDArray[np.bool_], own: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Return (2, m) labels of parts that touch: of earlier tiles, and of this one.

    Args:
        around: labels so far, from a pixel before the tile to one behind it.
        lit: (h, w) pixels of this tile's parts.
        own: (h, w) their labels.
    """
    others = (around > 0).view(np.uint8)
    if not others.any():
        return []
    rows, columns = np.nonzero(lit & (cv2.dilate(others, AROUND)[1:-1, 1:-1] > 0))
    number, found = own[rows, columns], []
    for down, across in NEIGHBOURS:
        other = around[rows + down, columns + across]
        touches = other > 0
        if touches.any():
            found.append(np.stack((other[touches], number[touches])).astype(np.int64))
    return found


def _peaks(
    values: NDArray[np.uint8], lit: NDArray[np.bool_], own: NDArray[np.int32], first: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.intp]]:
    """Return highest value, row and column of the peak of each part, which are labelled first, first + 1, ..."""
    rows, columns = np.nonzero(lit)
    number, of_pixels = own[rows, columns] - first, values[rows, columns]
    highest = np.zeros(count, np.uint8)
    np.maximum.at(highest, number, of_pixels)
    at = np.flatnonzero(of_pixels == highest[number])
    row, column, (height, width) = rows[at], columns[at], lit.shape
    inside_px = np.minimum(np.minimum(row, height - 1 - row), np.minimum(column, width - 1 - column))
    order = np.lexsort((-inside_px, number[at]))  # stable: of equal ones the first
    peaks = order[np.flatnonzero(np.diff(number[at][order], prepend=-1))]
    return highest, row[peaks], column[peaks]


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
    """Return how many regions are false and how many defects are found as the threshold falls.

    Args:
        parts: of one photograph.
        defect: (n,) the number of the defect at each part's peak, `NONE` for none.
        min_region_px: smaller regions do not count.
    """
    region, area_px = list(range(len(defect))), parts.area_px.tolist()  # a region is named by its surest part
    regions_at: dict[int, int] = {NONE: 0}  # defect, or NONE -> how many regions show it; none that no region shows
    surer: list[list[int]] = [[] for _ in region]  # of each part those that it touches and that are shown before it
    for one, other in parts.touching.tolist():
        surer[other].append(one)

    def count(part: int, by: int) -> None:
        if area_px[part] >= min_region_px:
            shown = regions_at.get(defect[part], 0) + by
            regions_at[defect[part]] = shown
            if not shown and defect[part] != NONE:
                del regions_at[defect[part]]

    def region_of(part: int) -> int:
        while region[part] != part:
            region[part] = region[region[part]]
            part = region[part]
        return part

    steps: list[tuple[float, int, int]] = []
    confidence = parts.confidence.tolist()
    for part, touched in enumerate(surer):
        count(part, 1)
        for other in touched:
            one, two = sorted((region_of(part), region_of(other)))
            if one != two:
                count(one, -1)
                count(two, -1)
                region[two] = one
                area_px[one] += area_px[two]
                count(one, 1)
        if part + 1 == len(confidence) or confidence[part + 1] < confidence[part]:
            step = (confidence[part], regions_at[NONE], len(regions_at) - 1)
            if step[1:] != (steps[-1][1:] if steps else (0, 0)):
                steps.append(step)
    columns = np.array(steps, np.float64).reshape(-1, 3).T
    return Steps(columns[0], columns[1].astype(np.int64), columns[2].astype(np.int64))
