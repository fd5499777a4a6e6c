"""How heatmaps are scored: the section `score` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated

from stages.metrics.table import SCORES
from stages.runtime.convert import Range, at_least, between


@dataclass(frozen=True)
class Score:
    """The thesis' rule, and what stands beside it."""

    intensity_threshold: Annotated[float, between(0, 255)]
    probability_threshold: Annotated[float, between(0, 1)]
    choose_by: Annotated[str, Range(f"one of {', '.join(SCORES)}", lambda name: name in SCORES)]
    tolerance_px: Annotated[float, at_least(0)]
    min_region_px: Annotated[int, at_least(1)]
    seed: Annotated[int, between(0, 2**63)]
