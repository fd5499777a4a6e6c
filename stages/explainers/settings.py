"""Which heatmaps are made, and how they are timed: the sections `explain` and `time` of params.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, FRACTION, at_least, between

Fusion = Literal["min", "mean", "max"]


@dataclass(frozen=True)
class Methods:
    """Which explanation methods each family gets; the first is the one that is scored and ranked as the model's."""

    cnn: Annotated[tuple[str, ...], DISTINCT]
    vit: Annotated[tuple[str, ...], DISTINCT]


@dataclass(frozen=True)
class GradCam:
    """How GradCAM maps are made; `stride` null: at the model's own."""

    relu: bool
    stride: Annotated[int, at_least(1)] | None


@dataclass(frozen=True)
class Occlusion:
    """What is covered, and with what; several fills are averaged."""

    window_px: Annotated[int, at_least(1)]
    stride_px: Annotated[int, at_least(1)]
    fills: Annotated[tuple[Literal["mean", "zero", "blur", "value"], ...], DISTINCT]
    value: Annotated[float, FRACTION]
    batch: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Explain:
    """Which heatmaps are made: the ViT settings are every fusion x every discard ratio."""

    batch: Annotated[int, at_least(1)]
    methods: Methods
    control: bool
    seed: Annotated[int, between(0, 2**63)]
    fusion: Annotated[tuple[Fusion, ...], DISTINCT]
    discard: Annotated[tuple[Annotated[float, between(0, 1)], ...], DISTINCT]
    normalise: Literal["rows", "published"]
    gradcam: GradCam
    occlusion: Occlusion
    align: bool = False


@dataclass(frozen=True)
class Time:
    """How latency is measured."""

    warmup: Annotated[int, at_least(0)]
    repeats: Annotated[int, at_least(2)]
