"""CNN with a class activation map inside its forward pass (thesis section 2.2, equation 2.1)."""

from typing import Any

import timm
import torch
from timm.models import FeatureListNet
from torch import Tensor, nn

from stages.models.outputs import Outputs
from stages.runtime.errors import InputError


class CamClassifier(nn.Module):
    """Features of one stride -> one neuron per class at each position (the CAM) -> mean -> logits.

        cam[n, k, y, x] = sum_c weight[k, c] features[n, c, y, x]
        logits[n, k]    = mean_yx cam[n, k, y, x] + bias[k]

    Global average pooling and the neuron are both linear, so applying the neuron first and averaging afterwards is
    the thesis' network exactly, and the CAM costs nothing. The features are timm's at that stride: what EfficientNets
    put between their last feature stage and their pooling (one 1x1 convolution) is not built.

    Args:
        arch: a timm architecture that supports `features_only`.
        stride: pixels per map cell: the last feature stage of that stride is used, later stages are not built.
        mean, std: of the pre-training, per channel, applied to images in 0..1.
        pretrained: timm's `pretrained_cfg_overlay` that says where weights come from, or None for random weights.
        neurons: 1 for good / defective, else one per class.

    Raises:
        InputError: the architecture has no feature stages, or none of this stride.
    """

    def __init__(
        self,
        arch: str,
        stride: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        pretrained: dict[str, Any] | None = None,
        neurons: int = 1,
    ) -> None:
        super().__init__()
        self.backbone: Any = build_features(arch, stride, pretrained)
        channels = self.backbone.feature_info.channels()[-1]
        self.head = nn.Conv2d(channels, neurons, kernel_size=1)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, explain: bool = False) -> Outputs:
        """Classify images (N, 3, H, W) in 0..1; with `explain`, heatmaps are the CAMs, (N, K, H/stride, W/stride)."""
        features = self.backbone((images - self.mean) / self.std)[0]  # type: ignore[operator]
        cam = nn.functional.conv2d(features, self.head.weight)
        return Outputs(self._pool(cam), cam if explain else None)

    @property
    def cell_px(self) -> float:
        """Side of a map cell in pixels of the image."""
        return float(self.backbone.feature_info.reduction()[-1])

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits, as `Outputs` has them, of features (N, C, h, w)."""
        return self._pool(nn.functional.conv2d(features, self.head.weight))

    def _pool(self, cam: Tensor) -> Tensor:
        assert self.head.bias is not None
        logits = cam.mean(dim=(2, 3)) + self.head.bias
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def features_at(self, stride: int | None = None) -> str:
        """Return the name, inside `backbone`, of the module that ends the last feature stage of this stride.

        Raises:
            InputError: no used stage has it.
        """
        info = self.backbone.feature_info
        used = info.info[: info.out_indices[-1] + 1]
        names = [stage["module"] for stage in used if stride is None or stage["reduction"] == stride]
        if not names:
            known = ", ".join(str(stage["reduction"]) for stage in used)
            raise InputError(f"params.yaml: stride {stride} is not in this CNN; its feature stages have {known}")
        name = str(_built_name(self.backbone, names[-1]))
        if not any(name == built for built, _ in self.backbone.named_modules()):
            raise InputError(
                f"params.yaml: stride {stride}: timm hands out no features in the middle of this CNN; use null"
            )
        return name

    def stage_parameters(self, count: int) -> list[nn.Parameter]:
        """Return the parameters of the stem and the first `count` feature stages, in timm's counting.

        Raises:
            InputError: there are fewer stages.
        """
        stages = [info["module"] for info in self.backbone.feature_info.info]
        stages = stages[: self.backbone.feature_info.out_indices[-1] + 1]
        if count > len(stages):
            raise InputError(f"params.yaml: frozen_stages is {count}; this CNN has {len(stages)} feature stages")
        if count == 0:
            return []
        # features_only flattens top-level sequences (`features.29` is then `features_29`) or keeps all below `model`.
        last = stages[count - 1]
        names = {last, last.replace(".", "_"), f"model.{last}"}
        modules = list(self.backbone.named_modules())
        inside = [i for i, (name, _) in enumerate(modules) if any(f"{name}.".startswith(f"{n}.") for n in names)]
        if not inside:
            raise InputError(f"params.yaml: frozen_stages is {count}; the stages of this CNN have no names; use 0")
        return [p for _, module in modules[: inside[-1] + 1] for p in module.parameters(recurse=False)]


def build_features(arch: str, stride: int, pretrained: dict[str, Any] | None = None) -> Any:
    """Build a timm CNN up to its last feature stage of this stride; it returns a list of one (N, C, h, w) tensor.

    Raises:
        InputError: the architecture has no feature stages, or none of this stride.
    """
    features = timm.create_model(
        arch,
        features_only=True,
        out_indices=(_stage_of_stride(arch, stride),),
        pretrained=pretrained is not None,
        pretrained_cfg_overlay=pretrained,
    )
    _drop_later_blocks(features)
    return features


def chain(backbone: Any) -> list[nn.Module]:
    """Return the modules that a feature backbone applies one after the other; [] where it is no such chain."""
    blocks = getattr(backbone, "blocks", None)
    if isinstance(backbone, FeatureListNet):
        return list(backbone.values())
    if isinstance(blocks, nn.Sequential) and hasattr(backbone, "conv_stem") and backbone.feature_hooks is None:
        stem = [backbone.conv_stem, backbone.bn1, *([backbone.act1] if hasattr(backbone, "act1") else [])]
        return [nn.Sequential(*stem), *blocks]
    return []


def _built_name(backbone: nn.Module, name: str) -> str:
    """Return the name under which timm built a module: features_only makes `features_29` of `features.29`."""
    return name if any(name == built for built, _ in backbone.named_modules()) else name.replace(".", "_")


def _drop_later_blocks(backbone: Any) -> None:
    """Remove the blocks after the last used stage where timm keeps (and runs) them, as its EfficientNets do."""
    last = backbone.feature_info.module_name()[-1]
    if isinstance(getattr(backbone, "blocks", None), nn.Sequential) and last.startswith("blocks."):
        backbone.blocks = backbone.blocks[: int(last.split(".")[1]) + 1]


def _stage_of_stride(arch: str, stride: int) -> int:
    """Return timm's index of the last feature stage with this stride; some architectures start counting after 0."""
    try:
        info = timm.create_model(arch, features_only=True).feature_info
    except (RuntimeError, AttributeError, AssertionError, TypeError) as error:
        raise InputError(f"params.yaml: arch {arch!r} has no feature stages for a CAM ({error})") from None
    strides = info.reduction()
    if stride not in strides:
        known = ", ".join(str(known) for known in sorted(set(strides)))
        raise InputError(f"params.yaml: stride {stride} is not in {arch!r}; its feature stages have {known}")
    return info.out_indices[len(strides) - 1 - strides[::-1].index(stride)]
