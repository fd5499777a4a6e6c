"""Whole photographs: the maps of all tiles of a test image, blended, against its whole truth.

A photograph is the part of a source image that its tiles cover: under `tile.border: drop` the rest at the right and
lower border belongs to no tile, was never looked at, and a defect there is neither found nor missed. Where the tile
is the image (`tile.mode: resize`, small images), map and truth are stretched to its pixels. Where windows made no
tile (`stages.datasets.truths.Annotated.unclear`), the map is black and there is no truth.

Memory holds one photograph's map at a time.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from stages.heatmaps.maps import Maps
from stages.heatmaps.photographs import positions_of_photographs
from stages.metrics.blend import TileMaps, blend
from stages.metrics.controls import CONTROLS, centre_prior, edge_map, random_map
from stages.metrics.regions import NONE, Defects, LitParts, lit_parts, regions_by_threshold
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError
from stages.scores.scores import Explanation
from stages.scoring.settings import Score
from stages.scoring.tiles import Rows

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Photograph:
    """A test image: its n tiles, which lie in rows and columns, maybe with gaps."""

    source: str
    positions: Rows  # (n,) in the index of tiles
    windows: NDArray[np.int64]  # (n, 4) x, y, width, height
    probability: NDArray[np.float64]  # (n,)
    tops: list[int]
    lefts: list[int]

    @property
    def extent_px(self) -> tuple[int, int]:
        """Height and width of what the tiles cover."""
        return self.tops[-1] + int(self.windows[0, 3]), self.lefts[-1] + int(self.windows[0, 2])

    @property
    def places(self) -> Rows:
        """(n,) place of each tile among all rows and columns."""
        x, y = self.windows[:, 0], self.windows[:, 1]
        return np.searchsorted(self.tops, y) * len(self.lefts) + np.searchsorted(self.lefts, x)


class PhotographMaps:
    """The maps of all tiles of test photographs by every method that has them, and the controls that need none.

    Args:
        maps: of validation and test tiles.
        rest: of the other tiles of test images, None where there are none.
        tiles: of the whole data set.
        seed: of the random map.
    """

    def __init__(self, maps: Maps, rest: Maps | None, tiles: Tiles, seed: int) -> None:
        self.tiles, self._seed, self._both = tiles, seed, [maps, *([rest] if rest is not None else [])]
        self._rows = [np.full(len(tiles), NONE, np.intp) for _ in self._both]
        self._logit = np.full(len(tiles), np.nan)
        for rows, own in zip(self._rows, self._both, strict=True):
            positions = own.positions_in(tiles)
            rows[positions] = np.arange(len(positions))
            self._logit[positions] = own.index["logit"].to_numpy(np.float64)
        self.knows_no_good = "predicted" in maps.index and bool(maps.index["logit"].isna().all())
        self.sources = positions_of_photographs(maps, tiles)
        self._like = maps.primary

    def has(self, explanation: Explanation) -> bool:
        """Return whether every tile has a map by the method of an explanation."""
        return explanation.method in CONTROLS or all(explanation.method in own.methods for own in self._both)

    def photograph(self, source: str) -> Photograph:
        """Return one of `sources`.

        Raises:
            InputError: a tile of it has no map.
        """
        positions = self.sources[source]
        logit = np.full(len(positions), np.inf) if self.knows_no_good else self._logit[positions]
        if np.isnan(logit).any():
            lost = self.tiles.index["tile_id"].iloc[positions[int(np.isnan(logit).argmax())]]
            raise InputError(f"{self._both[0].folder}: has no heatmap of tile {lost}; run the explain stage again")
        windows = self.tiles.index.iloc[positions][["x", "y", "width", "height"]].to_numpy(np.int64)
        tops, lefts = (sorted(set(windows[:, side].tolist())) for side in (1, 0))
        return Photograph(source, positions, windows, expit(logit), tops, lefts)

    def stitched(self, photograph: Photograph, explanation: Explanation) -> NDArray[np.uint8]:
        """Return the map (H, W) of a photograph with all tiles shown, as `stages.metrics.blend.blend` rounds it."""
        native, cell_px, offset_px = self._read(photograph.positions, explanation)
        count, places = len(photograph.tops) * len(photograph.lefts), photograph.places
        maps, shown = np.zeros((count, *native.shape[1:]), np.float32), np.zeros(count, bool)
        maps[places], shown[places] = native, True
        _, _, width, height = (int(side) for side in photograph.windows[0])
        grid = photograph.tops, photograph.lefts, height, width
        return blend(TileMaps(*grid, maps, shown, self.tiles.px, cell_px, offset_px), *photograph.extent_px)

    def truth(self, kind: str, photograph: Photograph) -> Bools:
        """Return the truth (H, W) of a photograph."""
        found = np.zeros(photograph.extent_px, bool)
        masks = self.tiles.truth(kind, photograph.positions)
        for mask, (x, y, width, height) in zip(masks, photograph.windows.tolist(), strict=True):
            if mask.any():
                if mask.shape != (height, width):
                    mask = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).view(bool)
                found[y : y + height, x : x + width] |= mask
        return found

    def _read(self, positions: Rows, explanation: Explanation) -> tuple[NDArray[np.float32], float, float]:
        """Return (n, h, w) maps of tiles, cell_px and offset_px."""
        like = self._like
        if explanation.method in CONTROLS:
            grid = like.values.shape[2:]
            return self._control(explanation.method, positions, *grid), like.cell_px, like.offset_px
        method = self._both[0].methods[explanation.method]
        found = np.empty((len(positions), *method.values.shape[2:]), np.float32)
        for rows_of, own in zip(self._rows, self._both, strict=True):
            here = rows_of[positions] != NONE
            if here.any():
                found[here] = own.methods[explanation.method].read(rows_of[positions[here]])[:, explanation.setting]
        return found, method.cell_px, method.offset_px

    def _control(self, name: str, positions: Rows, rows: int, columns: int) -> NDArray[np.float32]:
        tiles, place = self.tiles, (self._like.cell_px, self._like.offset_px)
        if name == "centre_prior":
            return centre_prior(len(positions), rows, columns, tiles.px, *place)
        if name == "random_map":
            return random_map(tiles.index["tile_id"].iloc[positions].tolist(), rows, columns, self._seed)
        assert name == "edge_map", name
        return edge_map(tiles.images(positions), rows, columns, *place)


def score_photographs(
    maps: PhotographMaps,
    explanations: Mapping[str, Explanation],
    levels: Mapping[str, float],
    rule: Score,
    watch: Callable[[list[str]], Iterable[str]] = iter,
) -> Iterator[dict[str, object]]:
    """Yield the lines of `stages.scores.photographs`' table of regions.

    Args:
        maps: of all tiles.
        explanations: name -> explanation; those without maps of all tiles are left out.
        levels: name -> level that lit pixels are above.
        rule: the section `score` of params.yaml.
        watch: wraps the list of photographs, to show progress.
    """
    for source in watch(list(maps.sources)):
        photograph = maps.photograph(source)
        defects, masks = {}, {}
        for kind in maps.tiles.truths:
            masks[kind] = maps.truth(kind, photograph)
            defects[kind] = Defects(masks[kind])
        for name, explanation in explanations.items():
            if not maps.has(explanation):
                continue
            heat = maps.stitched(photograph, explanation)
            parts = lit_parts(heat, photograph.windows, photograph.probability, levels[name])
            del heat
            for kind, known in defects.items():
                near = known.near(parts.peak_y, parts.peak_x, rule.tolerance_px)
                steps = regions_by_threshold(parts, near.tolist(), rule.min_region_px)
                yield {
                    "truth": kind,
                    "row": name,
                    "source": source,
                    "defects": known.count,
                    "pointing": pointing(parts, masks[kind]),
                    "confidence": steps.confidence,
                    "false": steps.false,
                    "found": steps.found,
                }


def pointing(parts: LitParts, truth: Bools) -> float:
    """Return the pointing game of a photograph: is the peak of its surest part in a defect?

    Args:
        parts: of the photograph.
        truth: (H, W).

    Returns:
        1 or 0; NaN without a defect, or where nothing is lit.
    """
    if not truth.any() or not len(parts.peak_y):
        return math.nan
    return float(truth[parts.peak_y[0], parts.peak_x[0]])


def photograph_table(maps: PhotographMaps) -> pd.DataFrame:
    """Return source, group, probability of the surest tile, and whether anything in the photograph is a defect."""
    index = maps.tiles.index
    lines = []
    for source in maps.sources:
        photograph = maps.photograph(source)
        of_image = index.iloc[photograph.positions]
        defective = ((of_image["label"] == "defective") | (of_image["defect_px"] > 0)).any()
        lines.append((source, of_image["group"].iloc[0], float(photograph.probability.max()), bool(defective)))
    return pd.DataFrame(lines, columns=["source", "group", "probability", "defective"])
