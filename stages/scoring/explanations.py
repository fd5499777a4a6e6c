"""What the scores of a model are made of: where heatmaps come from, which are compared, and what is said of each.

A row is one explanation under the setting that validation chose: a method that fuses nothing (cam), a method with one
head fusion (rollout_max), or a control. All rows are measured in the same way.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.thresholds import Levels, apply_rules, oracle
from stages.scoring.choice import choose_discards

RANDOMISED = "_randomised"  # ends the name of a method run on the model with randomised weights
OF_GRID_TRUTH = ("f1", "tile_average_precision", "pixel_average_precision", "aupro")

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Scores = Mapping[str, float]


@dataclass(frozen=True)
class Source:
    """Heatmaps of N tiles by one method or control, under S settings."""

    method: str
    fusions: tuple[str, ...]  # S
    discards: tuple[float, ...]  # S
    grid: tuple[int, int]  # rows and columns of cells
    cell_px: float | None
    offset_px: float
    own: bool  # of the family's own method: cam or rollout
    control: bool
    read: Callable[[NDArray[np.intp]], Floats]  # rows of the N tiles -> (n, S, h, w)

    @property
    def geometry(self) -> tuple[int, int, float | None, float]:
        """Return what two sources share whose cells lie in the same places."""
        return (*self.grid, self.cell_px, self.offset_px)

    def chosen(self, validation: Sequence[Scores], by: str) -> dict[str, int]:
        """Return row name -> the setting that `by` prefers on validation tiles, one for each fusion mode."""
        settings = choose_discards(self.fusions, self.discards, validation, by)
        return {row_name(self.method, fusion): setting for fusion, setting in settings.items()}


def row_name(method: str, fusion: str) -> str:
    """Return e.g. rollout_max, or cam for a method that fuses nothing."""
    return method if fusion == method else f"{method}_{fusion}"


def beats_controls(row: str, method: str, scores: Mapping[str, float], controls: Mapping[str, str]) -> bool | None:
    """Return whether a row scores higher than every control that it is held against.

    Those are all controls that know nothing of any model, and the same method on the model with randomised weights.

    Args:
        row, method: of the row.
        scores: row -> score, higher is better; an undefined control is overlooked, an undefined row beats none.
        controls: row of a control -> its method.

    Returns:
        None where no control has a score.
    """
    against = [
        scores[name]
        for name, other in controls.items()
        if not other.endswith(RANDOMISED) or other == method + RANDOMISED
    ]
    known = [score for score in against if not math.isnan(score)]
    return scores[row] > max(known) if known else None


def fractions_of(scores: Scores, grid_truth: Scores) -> dict[str, float]:
    """Return each score of `OF_GRID_TRUTH` divided by that of the truth averaged to the same grid.

    Above 1 where the row scores higher, as it may; NaN over 0.
    """
    return {name: scores[name] / grid_truth[name] if grid_truth[name] > 0 else math.nan for name in OF_GRID_TRUTH}


def threshold_scores(
    levels: Levels, truth: str, shown: Bools, validation: Bools, scored: Bools, fixed: int = 127
) -> dict[str, float]:
    """Return IoU of the defect under every rule of `stages.metrics.thresholds`, and what the best threshold leaves.

    Args:
        levels: of n tiles under one setting.
        shown: (n,) the probability of a defect is above its threshold.
        validation: (n,) tiles that thresholds are chosen by.
        scored: (n,) tiles that are scored.
        fixed: level of the fixed rule, 0..255.

    Returns:
        `<rule>_iou` of the defect pooled over tiles, `validation_mean_iou` (mean of defect and background, what is
        mostly published as mIoU), the `validation_threshold` (0..255), `oracle_iou` with the one threshold that is best
        on the scored tiles, and `oracle_gap` = oracle_iou - validation_iou.
    """
    rules = apply_rules(levels, truth, shown, validation, fixed)
    scores = {f"{name}_iou": rule.scores(scored)["foreground_iou"] for name, rule in rules.items()}
    best = oracle(levels, truth, shown, scored).scores(scored)["foreground_iou"]
    return {
        **scores,
        "validation_mean_iou": rules["validation"].scores(scored)["mean_iou"],
        "validation_threshold": rules["validation"].threshold,
        "oracle_iou": best,
        "oracle_gap": best - scores["validation_iou"],
    }


def validation_counts(
    levels: Levels, truth: str, shown: Bools, validation: Bools, scored: Bools
) -> dict[str, NDArray[np.int64]]:
    """Return the pixel counts of the scored tiles at the threshold of validation: `validation_tp`, ..., each (n,)."""
    counts = apply_rules(levels, truth, shown, validation)["validation"].counts[scored]
    return {f"validation_{name}": counts[:, place] for place, name in enumerate(("tp", "fp", "fn", "tn"))}


def area_terciles(area: Floats) -> dict[str, Bools]:
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
