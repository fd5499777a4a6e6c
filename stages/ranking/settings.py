"""What models are ranked by: the section `rank` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, at_least, between


@dataclass(frozen=True)
class Rank:
    """What models are ranked by, and how sure that is."""

    truth: Literal["boxes", "exact"]
    metrics: Annotated[tuple[str, ...], DISTINCT]
    methods: Literal["own", "all"]  # the family's own (cam or rollout), or every method that explain wrote
    cluster: Literal["group", "image"]
    resamples: Annotated[int, at_least(100)]
    seed: Annotated[int, between(0, 2**63)]
