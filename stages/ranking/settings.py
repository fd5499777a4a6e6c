"""What models are ranked by: the section `rank` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.metrics.froc import OF_PHOTOGRAPHS
from stages.metrics.table import METRICS
from stages.runtime.convert import DISTINCT, at_least, between
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Rank:
    """What models are ranked by, and how sure that is."""

    truth: Literal["boxes", "exact"]
    metrics: Annotated[tuple[str, ...], DISTINCT]
    methods: Literal["own", "all"]  # the model's own, or every method that explain wrote
    cluster: Literal["group", "image"]
    resamples: Annotated[int, at_least(100)]
    seed: Annotated[int, between(0, 2**63)]

    def __post_init__(self) -> None:
        for metric in self.metrics:
            if metric not in METRICS and metric not in OF_PHOTOGRAPHS:
                known = ", ".join((*METRICS, *OF_PHOTOGRAPHS))
                raise InputError(f"params.yaml: rank.metrics has {metric!r}; known: {known}")
