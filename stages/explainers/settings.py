"""Which heatmaps are made, and how they are timed: the sections `explain` and `time` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, EMPTY_TOO, above, at_least, between


@dataclass(frozen=True)
class Methods:
    """Which explanation methods each family gets; the first that fits a model is scored and ranked as its own."""

    cnn: Annotated[tuple[str, ...], DISTINCT]
    vit: Annotated[tuple[str, ...], DISTINCT]


@dataclass(frozen=True)
class Guided:
    """The guided filter of `explain.refine: guided`, see `stages.explainers.guided`."""

    cell_px: Annotated[int, at_least(1)] = 4
    radius_px: Annotated[int, at_least(1)] = 8
    eps: Annotated[float, above(0)] = 1e-3


@dataclass(frozen=True)
class NearestGood:
    """The reference `stages.explainers.nearest_good`: how many good cells are looked at, and how many kept."""

    tiles: Annotated[int, at_least(1)] = 1000
    candidates: Annotated[int, at_least(1)] = 20000
    coreset: Annotated[int, at_least(0)] = 2000
    neighbours: Annotated[int, at_least(1)] = 9


@dataclass(frozen=True)
class ExplainCommon:
    """The section `explain` without what one method alone has: that stands in the file of the method.

    Attention rollout makes a map for every fusion x every discard ratio.
    """

    batch: Annotated[int, at_least(1)]
    methods: Methods
    control: bool
    seed: Annotated[int, between(0, 2**63)]
    fusion: Annotated[tuple[Literal["min", "mean", "max"], ...], DISTINCT]
    discard: Annotated[tuple[Annotated[float, between(0, 1)], ...], DISTINCT]
    normalise: Literal["rows", "published"]
    align: bool = False
    flips: Literal["none", "horizontal", "all"] = "none"
    scales: Annotated[tuple[Annotated[float, above(0)], ...], DISTINCT] = (1.0,)
    refine: Literal["none", "guided"] = "none"
    guided: Guided = Guided()
    references: Annotated[tuple[Literal["nearest_good", "supervised"], ...], DISTINCT, EMPTY_TOO] = ()
    nearest_good: NearestGood = NearestGood()
    photographs: Literal["none", "own", "all"] = "own"


@dataclass(frozen=True)
class Time:
    """How often a call is made to time it: `warmup` times uncounted, then `repeats` times."""

    warmup: Annotated[int, at_least(0)]
    repeats: Annotated[int, at_least(2)]
