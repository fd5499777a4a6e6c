"""CNN with a class activation map inside its forward pass (thesis section 2.2, equation 2.1)."""

from typing import Any

import torch
from torch import Tensor, nn

from stages.models.backbones import (
    build_features,
    build_pyramid,
    build_with_last_conv,
    built_name,
    used_stages,
)
from stages.models.decoder import Pyramid
from stages.models.outputs import Outputs, as_logits
from stages.models.pools import POOLS
from stages.models.settings import Head
from stages.runtime.errors import InputError


class CamClassifier(nn.Module):
    """Features of one stride -> one neuron per class at each cell (the CAM) -> pooled, plus a bias: the logits.

        cam[n, k, y, x] = sum_c weight[k, c] features[n, c, y, x]
        logits[n, k]    = pool(cam)[n, k] + bias[k]

    With the mean as pool that is the thesis' network exactly: global average pooling and the neuron are both linear,
    so applying the neuron first and averaging afterwards is the same, and the map costs nothing. The features are those
    of a feature stage, or finer ones by a decoder (`stages.models.decoder`).

    Args:
        arch: a timm architecture that supports `features_only`.
        stride: pixels per map cell: the last feature stage of that stride is used, later stages are not built.
        mean, std: of the pre-training, per channel, applied to images in 0..1.
        pretrained: timm's `pretrained_cfg_overlay` that says where weights come from, or None for random weights.
        neurons: 1 for good / defective, else one per class.
        head: how fine the map is, and how it is pooled; None: the thesis'.
        last_conv: whether the features go through the architecture's own 1x1 convolution before the neuron.

    Raises:
        InputError: the architecture has no feature stages, or none of this stride; or no last convolution.
    """

    def __init__(
        self,
        arch: str,
        stride: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        pretrained: dict[str, Any] | None = None,
        neurons: int = 1,
        head: Head | None = None,
        last_conv: bool = False,
    ) -> None:
        super().__init__()
        self.settings = head or Head()
        finer = self.settings.map_stride
        self.backbone: Any
        if finer not in (None, stride):
            if last_conv:
                raise InputError(
                    f"params.yaml: last_conv: goes with the model's own stride {stride}, not head.map_stride {finer}"
                )
            self.backbone = build_pyramid(arch, stride, finer, self.settings.width, pretrained)
        else:
            self.backbone = (build_with_last_conv if last_conv else build_features)(arch, stride, pretrained)
        self.head = nn.Conv2d(self.backbone.feature_info.channels()[-1], neurons, kernel_size=1)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, explain: bool = False) -> Outputs:
        """Classify images (N, 3, H, W) in 0..1; with `explain`, heatmaps are the CAMs, (N, K, H/stride, W/stride)."""
        features = self.backbone((images - self.mean) / self.std)[0]  # type: ignore[operator]
        cam = nn.functional.conv2d(features, self.head.weight)
        return Outputs(self._logits(cam), cam if explain else None)

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits, as `Outputs` has them, of features (N, C, h, w)."""
        return self._logits(nn.functional.conv2d(features, self.head.weight))

    def _logits(self, cam: Tensor) -> Tensor:
        assert self.head.bias is not None
        return as_logits(POOLS[self.settings.pool](cam, self.settings) + self.head.bias)

    @property
    def network(self) -> Any:
        """The backbone without a decoder: what has pre-trained weights."""
        return self.backbone.stages if isinstance(self.backbone, Pyramid) else self.backbone

    @property
    def cell_px(self) -> float:
        """Side of a map cell in pixels of the image."""
        return float(self.backbone.feature_info.reduction()[-1])

    def features_at(self, stride: float) -> str:
        """Return the name, inside `network`, of the module that ends the last feature stage of this stride.

        Raises:
            InputError: no used stage has it, or it ends inside a module.
        """
        stages = used_stages(self.network)
        wanted = [stage for stage in stages if stage["reduction"] == stride]
        if not wanted:
            known = ", ".join(str(stage["reduction"]) for stage in stages)
            raise InputError(f"params.yaml: stride {stride} is not in this CNN; its feature stages have {known}")
        name = built_name(self.network, wanted[-1])
        if name is None:
            raise InputError(
                f"params.yaml: stride {stride}: timm hands out no features in the middle of this CNN; use null"
            )
        return name

    def stage_parameters(self, count: int) -> list[nn.Parameter]:
        """Return the parameters of the stem and the first `count` feature stages, in timm's counting; none for 0.

        Raises:
            InputError: there are fewer stages.
        """
        stages = used_stages(self.network)
        if count > len(stages):
            raise InputError(f"params.yaml: frozen_stages is {count}; this CNN has {len(stages)} feature stages")
        if count == 0:
            return []
        # features_only flattens top-level sequences (`features.29` is then `features_29`) or keeps all below `model`.
        last = stages[count - 1]["module"]
        places = tuple(f"{name}." for name in (last, last.replace(".", "_"), f"model.{last}"))
        modules = list(self.network.named_modules())
        inside = [i for i, (name, _) in enumerate(modules) if f"{name}.".startswith(places)]
        if not inside:
            raise InputError(f"params.yaml: frozen_stages is {count}; the stages of this CNN have no names; use 0")
        return [p for _, module in modules[: inside[-1] + 1] for p in module.parameters(recurse=False)]
