"""What the score stage says of whole photographs: metrics, the points of plots/froc, and what data/scores keeps."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from stages.heatmaps.maps import Maps
from stages.heatmaps.photographs import open_photographs
from stages.metrics.froc import AUROC, FROC, POINTING, auroc_parts, curve_scores, curves_of, steps_of
from stages.records.tiles import Tiles
from stages.scores.scores import Explanation
from stages.scoring.measure import Alarms, defined_mean
from stages.scoring.photographs import PhotographMaps, photograph_table, score_photographs
from stages.scoring.settings import Score

FROC_COLUMNS = ("truth", "row", "false_regions", "found", "threshold")

Line = tuple[object, ...]


@dataclass(frozen=True)
class FoundInPhotographs:
    """What was found in P photographs; nothing but the reason where there is none."""

    content: dict[str, Any]  # `photographs` of metrics/score/<model>.json
    record: tuple[pd.DataFrame, list[dict[str, object]]] | None = None  # for `stages.scores.photographs`
    points: list[Line] = field(default_factory=list)  # of plots/froc/<model>.csv

    def words(self, best: str) -> str:
        """Return what is added to the line that the score stage prints."""
        found = [f"{own[best][FROC]:.3f} by {truth}" for truth, own in self.content["scores"].items() if best in own]
        return f"; {self.content['count']} photographs, FROC {', '.join(found)}" if found else ""


def find_in_photographs(
    maps: Maps,
    tiles: Tiles,
    explanations: Mapping[str, Explanation],
    alarms: Alarms,
    rule: Score,
    watch: Callable[[list[str]], Iterable[str]] = iter,
) -> FoundInPhotographs:
    """Score every explanation on every test photograph, against every truth.

    Pixels are lit above the level that validation chose (`stages.scoring.thresholding.alarm_levels`).

    Args:
        maps: of validation and test tiles.
        tiles: of the whole data set.
        explanations: name -> explanation; without maps of all tiles it is left out.
        alarms: method, setting -> rule -> level.
        rule: the section `score` of params.yaml.
        watch: wraps the list of photographs, to show progress.

    Raises:
        InputError: a file of explain is missing or broken.
    """
    rest, left_out = open_photographs(maps.folder)
    if left_out is not None:
        return FoundInPhotographs(_content(left_out, 0, None, math.nan))
    of_tiles = PhotographMaps(maps, rest, tiles, rule.seed)
    known = {name: own for name, own in explanations.items() if of_tiles.has(own)}
    levels = {}
    for name, own in known.items():
        chosen = alarms[own.method, own.setting]
        levels[name] = math.floor(chosen.get("validation", chosen["fixed"]))
    regions = list(score_photographs(of_tiles, known, levels, rule, watch))
    table = photograph_table(of_tiles)
    content = _content(None, len(table), int(table["defective"].sum()), auroc(table))
    points: list[Line] = []
    for truth in tiles.truths:
        content["scores"][truth] = {}
        for name in known:
            lines = pd.DataFrame([line for line in regions if (line["truth"], line["row"]) == (truth, name)])
            curves = curves_of(lines["source"], steps_of(lines), lines["defects"])
            content["scores"][truth][name] = {
                **curve_scores(curves),
                POINTING: defined_mean(lines["pointing"].to_numpy(np.float64)),
                "defects": int(lines["defects"].sum()),
                "level": levels[name],
            }
            points += [(truth, name, *point) for point in curves.points()]
    return FoundInPhotographs(content, (table, regions), points)


def auroc(table: pd.DataFrame) -> float:
    """Return the area under the ROC curve of photographs, NaN where all are defective or all are good."""
    return auroc_parts(table["source"], table["probability"], table["defective"]).value


def _content(left_out: str | None, count: int, defective: int | None, auroc: float) -> dict[str, Any]:
    return {"left_out": left_out, "count": count, "defective": defective, AUROC: auroc, "scores": {}}
