"""The backbone of a CNN, or the stem of a hybrid ViT: a timm network up to its last feature stage of one stride.

What timm builds with `features_only` is a network that returns a list of feature stages, here of one (N, C, h, w), and
describes them in `feature_info`. What EfficientNets put between their last feature stage and their pooling (one 1x1
convolution) is no feature stage for timm: it is left out, or added as one more stage (`build_with_last_conv`).
"""

from typing import Any

import timm
from timm.models import FeatureInfo, FeatureListNet
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from stages.models.decoder import Pyramid
from stages.runtime.errors import InputError


def build_features(arch: str, stride: int, pretrained: dict[str, Any] | None = None) -> Any:
    """Build a timm CNN up to its last feature stage of this stride; it returns a list of one (N, C, h, w) tensor.

    Args:
        arch: a timm architecture that supports `features_only`.
        stride: pixels per cell of its features.
        pretrained: timm's `pretrained_cfg_overlay` that says where weights come from, or None for random weights.

    Raises:
        InputError: the architecture has no feature stages, or none of this stride.
    """
    stages = _stages(arch)
    if stride not in stages:
        known = ", ".join(str(known) for known in sorted(stages))
        raise InputError(f"params.yaml: stride {stride} is not in {arch!r}; its feature stages have {known}")
    return _build(arch, [stages[stride]], pretrained)


def _build(arch: str, stages: list[int], pretrained: dict[str, Any] | None) -> Any:
    features = timm.create_model(
        arch,
        features_only=True,
        out_indices=tuple(stages),
        pretrained=pretrained is not None,
        pretrained_cfg_overlay=pretrained,
    )
    # timm's EfficientNets keep, and run, the blocks after the last used stage
    last = features.feature_info.module_name()[-1]
    if isinstance(getattr(features, "blocks", None), nn.Sequential) and last.startswith("blocks."):
        features.blocks = features.blocks[: int(last.split(".")[1]) + 1]
    return features


def build_pyramid(arch: str, stride: int, map_stride: int, width: int, pretrained: dict[str, Any] | None = None) -> Any:
    """Build a timm CNN with the stages of all strides from `map_stride` to `stride`, and a decoder over them.

    Args:
        arch, stride, pretrained: see `build_features`.
        map_stride: pixels per cell of the features that come out, less than `stride`.
        width: their channels.

    Raises:
        InputError: the architecture has no feature stages, or none of one of these strides.
    """
    stages = {known: stage for known, stage in sorted(_stages(arch).items()) if known <= stride}
    if map_stride not in stages:
        known = ", ".join(map(str, stages))
        raise InputError(f"params.yaml: head.map_stride is {map_stride}; {arch!r} has feature stages of {known}")
    return Pyramid(_build(arch, [stage for known, stage in stages.items() if known >= map_stride], pretrained), width)


class LastConv(nn.Module):
    """A timm network up to its last feature stage, then the network's own last convolution and normalisation.

    Returns a list of one, as timm's networks; `feature_info` lists the convolution as one more feature stage.
    """

    def __init__(self, stages: Any, whole: EfficientNet) -> None:
        super().__init__()
        self.stages = stages
        self.conv_head, self.bn2 = whole.conv_head, whole.bn2  # timm's names; bn2 ends in the activation
        info = [stage | {"module": f"stages.{stage['module']}"} for stage in stages.feature_info.info]
        last = {"num_chs": whole.num_features, "reduction": info[-1]["reduction"], "module": "bn2"}
        self.feature_info = FeatureInfo([*info, last], (len(info),))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return [(N, C, h, w)] of normalised images (N, 3, H, W)."""
        return [self.bn2(self.conv_head(self.stages(images)[0]))]


def build_with_last_conv(arch: str, stride: int, pretrained: dict[str, Any] | None = None) -> LastConv:
    """Build a timm CNN up to its pooling: all feature stages, and the 1x1 convolution after them.

    Args:
        arch, stride, pretrained: see `build_features`.

    Raises:
        InputError: the architecture has no such convolution, or not at this stride.
    """
    whole = timm.create_model(arch, pretrained=pretrained is not None, pretrained_cfg_overlay=pretrained)
    if not (isinstance(whole, EfficientNet) and isinstance(whole.conv_head, nn.Conv2d)):
        raise InputError(
            f"params.yaml: last_conv: {arch!r} has no convolution between its last feature stage and its pooling; "
            "EfficientNets have (MobileNetV3 has its own after the pooling)"
        )
    stages = build_features(arch, stride, pretrained)
    channels = stages.feature_info.channels()[-1]
    if channels != whole.conv_head.in_channels or stride != max(_stages(arch)):
        raise InputError(
            f"params.yaml: last_conv: the convolution of {arch!r} reads its last feature stage, of stride "
            f"{max(_stages(arch))}, not {stride}"
        )
    return LastConv(stages, whole)


def chain(backbone: Any) -> list[nn.Module]:
    """Return the modules that a backbone applies one after the other; [] where it does anything else with them."""
    if isinstance(backbone, LastConv):
        before = chain(backbone.stages)
        return [*before, nn.Sequential(backbone.conv_head, backbone.bn2)] if before else []
    blocks = getattr(backbone, "blocks", None)
    if isinstance(backbone, FeatureListNet):
        return list(backbone.values())
    if isinstance(blocks, nn.Sequential) and hasattr(backbone, "conv_stem") and backbone.feature_hooks is None:
        stem = [backbone.conv_stem, backbone.bn1, *([backbone.act1] if hasattr(backbone, "act1") else [])]
        return [nn.Sequential(*stem), *blocks]
    return []


def _stages(arch: str) -> dict[int, int]:
    """Return stride -> timm's index of the last feature stage with it; some architectures start counting after 0.

    Raises:
        InputError: the architecture has no feature stages.
    """
    try:
        info = timm.create_model(arch, features_only=True).feature_info
    except (RuntimeError, AttributeError, AssertionError, TypeError) as error:
        raise InputError(f"params.yaml: arch {arch!r} has no feature stages for a CAM ({error})") from None
    return dict(zip(info.reduction(), info.out_indices, strict=True))


def used_stages(network: Any) -> list[dict[str, Any]]:
    """Return what timm says of the feature stages that a built network computes, first to last: module, reduction."""
    info = network.feature_info
    stages: list[dict[str, Any]] = info.info[: info.out_indices[-1] + 1]
    return stages


def built_name(network: Any, stage: dict[str, Any]) -> str | None:
    """Return the name, inside the built network, of the module that ends a stage; None where it ends inside one."""
    name: str = stage["module"]
    built = dict(network.named_modules())
    flat = name.replace(".", "_")  # `features.29` -> `features_29`
    return name if name in built else flat if flat in built else None


def stage_names(network: Any) -> dict[int, str]:
    """Return stride -> name of the module that ends its last used stage, of those that end with a module."""
    named = {stage["reduction"]: built_name(network, stage) for stage in used_stages(network)}
    return {stride: name for stride, name in named.items() if name is not None}
