"""The lines of plots/settings, plots/strata and plots/thresholds, and of the table that data/scores keeps."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.metrics.table import COUNTS, VALIDATION
from stages.scores.scores import Explanation
from stages.scoring.choice import explanation_name
from stages.scoring.measure import AllScores, Measured
from stages.scoring.methods import Method
from stages.scoring.settings import Score
from stages.scoring.thresholding import Chosen, Thresholded
from stages.scoring.tiles import ScoredTiles

SETTINGS_COLUMNS = ("truth", "split", "fusion", "discard", "metric", "value")
STRATA_COLUMNS = ("truth", "by", "stratum", "tiles", "row", "metric", "value")
THRESHOLD_SCORES = ("f1", "precision", "recall")
THRESHOLDS_COLUMNS = ("truth", "row", "threshold", "rule", *THRESHOLD_SCORES)
THRESHOLD_STEP = 5  # levels between two points of a curve, of 255

Line = tuple[object, ...]


def setting_lines(methods: Sequence[Method], scores: Mapping[str, AllScores]) -> Iterator[Line]:
    """Yield every score of every method and setting.

    Args:
        scores: split -> scores of these methods, and maybe of others.
    """
    for method in methods:
        for truth in method.truths:
            for split, of_split in scores.items():
                for fusion, discard, values in zip(
                    method.fusions, method.discards, of_split[method.name, truth], strict=True
                ):
                    label = fusion if method.own else explanation_name(method.name, fusion)
                    yield from ((truth, split, label, discard, metric, value) for metric, value in values.items())


def stratum_lines(
    explanations: Mapping[str, Explanation], test: Mapping[str, Measured], tiles: ScoredTiles
) -> Iterator[Line]:
    """Yield the scores of defective test tiles by kind and by area of the defect, an exact area where there is one."""
    index, defective = tiles.test_index, tiles.defective[tiles.rows("test")]
    kinds = index["defect_class"].to_numpy(dtype=object)
    area_px = index["exact_px" if "exact" in tiles.truths else "defect_px"].to_numpy(np.float64)
    area = area_px / (index["width"] * index["height"]).to_numpy(np.float64)  # of the tile, however far it was shrunk
    strata = [("kind", kind, defective & (kinds == kind)) for kind in sorted(set(kinds[defective]))]
    strata += [("area", name, members) for name, members in area_terciles(np.where(defective, area, 0)).items()]
    for truth in tiles.truths:
        known = tiles.known(tiles.rows("test"))[truth]
        for by, stratum, of_stratum in strata:
            members = of_stratum & known
            if of_stratum.any() and not members.any():
                continue
            for name, explanation in explanations.items():
                values = test[explanation.method].scores(truth, explanation.setting, members)
                for metric, value in values.items():
                    yield truth, by, stratum, int(members.sum()), name, metric, value


def threshold_lines(thresholded: Mapping[tuple[str, str], Thresholded], chosen: Chosen, rule: Score) -> Iterator[Line]:
    """Yield the scores of test tiles at every few thresholds, and where two rules put theirs; none of controls."""
    for (truth, name), explained in thresholded.items():
        rules = {"thesis": math.floor(rule.intensity_threshold)}
        level = chosen[truth, name].level
        rules |= {} if math.isnan(level) else {"validation": int(level)}
        points = [(threshold, "") for threshold in range(0, len(explained.curve), THRESHOLD_STEP)]
        points += [(threshold, of) for of, threshold in rules.items() if threshold < len(explained.curve)]
        for threshold, of in sorted(points):
            yield truth, name, threshold, of, *(explained.curve[threshold][score] for score in THRESHOLD_SCORES)


def tile_table(
    explanations: Mapping[str, Explanation],
    test: Mapping[str, Measured],
    thresholded: Mapping[tuple[str, str], Thresholded],
    tiles: ScoredTiles,
) -> pd.DataFrame | None:
    """Return what each test tile adds to every score of each explanation; None where there is no truth.

    Columns: pixel counts by the thesis' rule and at the threshold of validation, and the scores of single tiles.

    Args:
        explanations: name -> explanation.
        test: method -> what was measured on test tiles.
        thresholded: (truth, explanation) -> scores by every rule.
        tiles: those that are scored.
    """
    parts = []
    for (truth, name), by_rules in thresholded.items():
        measured, setting = test[explanations[name].method], explanations[name].setting
        columns: dict[str, NDArray] = dict(zip(COUNTS, measured.counts[truth][:, setting].T, strict=True))
        columns |= {metric: values[:, setting] for metric, values in measured.means[truth].items()}
        columns |= dict(zip((VALIDATION + count for count in COUNTS), by_rules.counts.T, strict=True))
        ids = tiles.test_index["tile_id"].to_numpy()
        parts.append(pd.DataFrame(columns).assign(truth=truth, row=name, tile_id=ids))
    return pd.concat(parts) if parts else None


def tile_index(tiles: ScoredTiles) -> pd.DataFrame:
    """Return the test tiles that data/scores keeps: tile_id, source, group, defective."""
    index = tiles.test_index[["tile_id", "source", "group"]]
    return index.assign(defective=tiles.defective[tiles.rows("test")])


def area_terciles(area: NDArray[np.floating]) -> dict[str, NDArray[np.bool_]]:
    """Part (n,) tiles by the area of their defect: small, medium and large, a third of the positive areas each.

    Tiles without any are in none. Equal areas stay together, in the smaller part.
    """
    positive = area[area > 0]
    low, high = np.quantile(positive, (1 / 3, 2 / 3)) if positive.size else (0.0, 0.0)
    return {
        "small": (area > 0) & (area <= low),
        "medium": (area > low) & (area <= high) & (area > 0),
        "large": (area > high) & (area > 0),
    }
