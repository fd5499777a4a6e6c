"""The backbone of a CNN, or the stem of a hybrid ViT: a timm network up to its last feature stage of one stride.

What timm builds with `features_only` is a network that returns a list of feature stages, here of one (N, C, h, w), and
describes them in `feature_info`. What EfficientNets put between their last feature stage and their pooling (one 1x1
convolution) is no feature stage, so it is not built.
"""

from typing import Any

import timm
from timm.models import FeatureListNet
from torch import nn

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
    return _build(arch, [_stage_of_stride(arch, stride)], pretrained)


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
    strides = [known for known in _strides(arch) if map_stride <= known <= stride]
    if map_stride not in strides:
        known = ", ".join(str(known) for known in _strides(arch) if known <= stride)
        raise InputError(f"params.yaml: head.map_stride is {map_stride}; {arch!r} has feature stages of {known}")
    return Pyramid(_build(arch, [_stage_of_stride(arch, one) for one in strides], pretrained), width)


def chain(backbone: Any) -> list[nn.Module]:
    """Return the modules that a backbone applies one after the other; [] where it does anything else with them."""
    blocks = getattr(backbone, "blocks", None)
    if isinstance(backbone, FeatureListNet):
        return list(backbone.values())
    if isinstance(blocks, nn.Sequential) and hasattr(backbone, "conv_stem") and backbone.feature_hooks is None:
        stem = [backbone.conv_stem, backbone.bn1, *([backbone.act1] if hasattr(backbone, "act1") else [])]
        return [nn.Sequential(*stem), *blocks]
    return []


def _stage_of_stride(arch: str, stride: int) -> int:
    """Return timm's index of the last feature stage with this stride; some architectures start counting after 0."""
    info = _stages(arch)
    strides = info.reduction()
    if stride not in strides:
        known = ", ".join(str(known) for known in sorted(set(strides)))
        raise InputError(f"params.yaml: stride {stride} is not in {arch!r}; its feature stages have {known}")
    return info.out_indices[len(strides) - 1 - strides[::-1].index(stride)]


def _strides(arch: str) -> list[int]:
    """Return the strides of an architecture's feature stages, each once, ascending."""
    return sorted(set(_stages(arch).reduction()))


def _stages(arch: str) -> Any:
    try:
        return timm.create_model(arch, features_only=True).feature_info
    except (RuntimeError, AttributeError, AssertionError, TypeError) as error:
        raise InputError(f"params.yaml: arch {arch!r} has no feature stages for a CAM ({error})") from None
