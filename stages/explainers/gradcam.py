"""GradCAM (Selvaraju et al. 2017, equations 1 and 2) on the feature maps of a CNN and on the tokens of a ViT.

    weight[n, c]  = mean_yx  d score[n] / d features[n, c, y, x]
    map[n, y, x]  = ReLU( sum_c weight[n, c] features[n, c, y, x] )

CNN: the features are those of the last feature stage of `stride`. At the model's own stride its tail is a mean and a
neuron, and the map is ReLU(CAM) / (h w): the same picture as the CAM where that is positive.
ViT that reads its class token: the features are the patch tokens after the first normalisation of the last block, as
pytorch-grad-cam recommends (`blocks[-1].norm1` with a `reshape_transform`). After the last block no patch token has a
gradient. ViT that reads its patch tokens: the features are those that its neurons read, after the last normalisation,
as a CNN's; the map is ReLU(CAM) / (h w) here, too, with any pool, whose weights add up to 1.

Only the tail is differentiated: the graph starts at the features, and no parameter collects a gradient. Deviations from
the published code: none in the formula; the ReLU is a setting, and the map is not rescaled.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from stages.explainers.cells import Cells, feature_cells
from stages.explainers.method import Method
from stages.models.attention import run_block, without_parameter_gradients
from stages.models.cnn import CamClassifier
from stages.models.outputs import Outputs, Target, select_score
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.convert import at_least
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class GradCam:
    """How GradCAM maps are made; `stride` null: at the model's own."""

    relu: bool
    stride: Annotated[int, at_least(1)] | None


def explain(
    model: CamClassifier | RolloutClassifier,
    images: Tensor,
    target: Target = None,
    relu: bool = True,
    stride: int | None = None,
) -> Outputs:
    """Return logits and heatmaps (N, 1, h, w) of images (N, 3, H, W) in 0..1.

    Args:
        model: a CNN, or a ViT with a class token.
        images: to explain.
        target: the class, see `stages.models.outputs.select_score`.
        relu: negative values become 0, as published; false keeps what speaks against the class.
        stride: of a CNN's features, in pixels of the image per cell; None is the model's own. A ViT has none.

    Raises:
        InputError: the CNN has no features of this stride, or a ViT is given one.

    >>> from stages.models.cnn import CamClassifier
    >>> model = CamClassifier("test_efficientnet", 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> bool((explain(model, torch.rand(2, 3, 64, 96)).heatmaps >= 0).all())
    True
    """
    with torch.inference_mode(False), torch.enable_grad(), without_parameter_gradients(model):
        if isinstance(model, CamClassifier):
            logits, features = _cnn(model, images, stride)
        else:
            logits, features = _vit(model, images, stride)
        (gradient,) = torch.autograd.grad(select_score(logits, target).sum(), features)
    if isinstance(model, RolloutClassifier):
        features, gradient = (model.to_map(tokens.mT[..., 1:]) for tokens in (features, gradient))
    weights = gradient.mean(dim=(2, 3))
    maps = torch.einsum("nchw,nc->nhw", features.detach(), weights)[:, None]
    return Outputs(logits.detach(), maps.relu() if relu else maps)


def _cnn(model: CamClassifier, images: Tensor, stride: int | None) -> tuple[Tensor, Tensor]:
    """Return the logits, and the features that their graph starts at."""
    if stride is None or stride == model.cell_px:
        normalised = (images - model.mean) / model.std  # type: ignore[operator]
        features = model.backbone(normalised)[0].detach().requires_grad_()
        return model.classify(features), features
    kept: list[Tensor] = []

    def start_graph(_: nn.Module, __: object, features: Tensor) -> Tensor | None:
        if not isinstance(features, Tensor):
            return None
        kept.append(features.detach().requires_grad_())
        return kept[0].clone()  # an activation that works in place must not change the graph's start

    hook = model.network.get_submodule(model.features_at(stride)).register_forward_hook(start_graph)
    try:
        logits = model(images).logits
    finally:
        hook.remove()
    if not kept or not logits.requires_grad:
        raise InputError(
            f"params.yaml: explain.gradcam.stride is {stride}; this CNN hands out no such features; use null"
        )
    return logits, kept[0]


def _vit(model: RolloutClassifier, images: Tensor, stride: int | None) -> tuple[Tensor, Tensor]:
    """Return the logits, and the tokens (N, T, C) whose patches are the features."""
    if stride is not None:
        raise InputError(f"params.yaml: explain.gradcam.stride is {stride}; a ViT's map has one value per patch: null")
    if model.reads_patches:
        read = model.backbone.norm(model.backbone.blocks(model.embed(images))).detach().requires_grad_()
        return model.read(read)[0], read
    tokens = model.backbone.blocks[:-1](model.embed(images))
    step = run_block(model.backbone.blocks[-1], tokens.detach().requires_grad_(), rows=1)
    return model.classify(step.after), step.normed


def _cells(model: Classifier, parameters: Any) -> Cells:
    stride = parameters.gradcam.stride
    if stride is None or not isinstance(model, CamClassifier):
        return feature_cells(model, parameters)
    return Cells(stride, model.network, model.features_at(stride))


METHOD = Method(
    families=("cnn", "vit"),
    settings=GradCam,
    cells=_cells,
    shares=True,
    call=lambda model, images, target, parameters: explain(
        model, images, target, parameters.gradcam.relu, parameters.gradcam.stride
    ),
)
