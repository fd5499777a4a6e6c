"""What `models.<name>` in params.yaml says of the model itself; how it is trained: `stages.training.settings`."""

from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from stages.runtime.convert import above, at_least, between
from stages.runtime.params import Family

Weights = Literal["auto", "hub", "package", "file", "none"]


@dataclass(frozen=True)
class Head:
    """What stands between features and logits: the section `head`, and over it `models.<name>.head`.

    Of a ViT that reads its class token nothing else is to be set: it has no map that could be pooled.
    """

    map_stride: Annotated[int, at_least(1)] | None = None  # pixels per cell of the map; None: the model's own stride
    pool: Literal["mean", "max", "top_k", "log_sum_exp", "ranked"] = "mean"  # of `stages.models.pools`
    share: Annotated[float, above(0), between(0, 1)] = 0.05  # of the cells: top_k, ranked
    sharpness: Annotated[float, above(0)] = 1.0  # log_sum_exp: from the mean (0) to the maximum
    negatives: Literal["none", "dense"] = "none"  # dense: in training every cell of a good tile is good
    width: Annotated[int, at_least(1)] = 64  # channels of the decoder, where the map is finer than the model's stride
    reads: Literal["class_token", "patch_tokens"] = "class_token"  # what a ViT's neurons read; a CNN has cells alone


@dataclass(frozen=True)
class Model:
    """One entry of `models`, without its training values; None leaves what `registry.ARCHITECTURES` lists."""

    family: Family
    arch: str | None = None  # a timm model
    stride: Annotated[int, at_least(1)] | None = None  # pixels per cell of a CNN's map, or of a hybrid ViT's stem
    stem: str | None = None  # hybrid ViT: the timm CNN whose features its blocks read
    depth: Annotated[int, at_least(1)] | None = None  # ViT: how many of its blocks are used
    last_conv: bool | None = None  # CNN: with the 1x1 convolution that EfficientNets have before their pooling
    weights_path: str | None = None  # for `weights: file`
    of: str | None = None  # the model that this one repeats under another seed
    head: Head = field(default_factory=Head)


MODEL_KEYS = tuple(one.name for one in fields(Model))
