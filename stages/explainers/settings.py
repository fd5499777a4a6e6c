"""Which heatmaps are made, and how they are timed: the sections `explain` and `time` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, above, at_least, between


@dataclass(frozen=True)
class Methods:
    """Which explanation methods each family gets; the first is the one that is scored and ranked as the model's."""

    cnn: Annotated[tuple[str, ...], DISTINCT]
    vit: Annotated[tuple[str, ...], DISTINCT]


@dataclass(frozen=True)
class Guided:
    """The guided filter of `explain.refine: guided`, see `stages.explainers.guided`."""

    cell_px: Annotated[int, at_least(1)] = 4
    radius_px: Annotated[int, at_least(1)] = 8
    eps: Annotated[float, above(0)] = 1e-3


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
    photographs: Literal["none", "own", "all"] = "own"


@dataclass(frozen=True)
class Time:
    """How often a call is made to time it: `warmup` times uncounted, then `repeats` times."""

    warmup: Annotated[int, at_least(0)]
    repeats: Annotated[int, at_least(2)]
