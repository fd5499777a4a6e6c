"""What is timed: every method of this project beside the same method of other packages, on one model and its images."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from captum.attr import LayerGradCam, Occlusion
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from stages.explainers import (
    attention_gradient,
    attn_lrp,
    cam,
    gradcam,
    gradient_rollout,
    lrp,
    novelty,
    occlusion,
    rise,
    rollout,
)
from stages.explainers.good_tiles import GoodTiles, Spread
from stages.explainers.methods import Explain
from stages.models.cnn import CamClassifier
from stages.models.features import EarlyFeatures
from stages.models.rollout import settings_grid
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.params import read_params
from tests.benchmarks.published import published_rollout
from tests.columns import Columns

FUSIONS, RATIOS = ("min", "mean", "max"), tuple(step / 10 for step in range(10))
Call = Callable[[], object]


@dataclass(frozen=True)
class Timed:
    """One method: this project's call, others' by name, and whether it takes so long that few repeats must do."""

    ours: Call
    peers: dict[str, Call] = field(default_factory=dict)
    slow: bool = False


def calls_of(model: CamClassifier | RolloutClassifier, images: Tensor) -> dict[str, Timed]:
    """Return every method that fits the model."""
    return _cnn(model, images) if isinstance(model, CamClassifier) else _vit(model, images)


def _cnn(model: CamClassifier, images: Tensor) -> dict[str, Timed]:
    columns = Columns(model)
    layer = model.backbone.get_submodule(model.features_at(model.cell_px))
    captum = LayerGradCam(columns, layer)
    peers = {
        "pytorch-grad-cam": partial(_pytorch_grad_cam, columns, layer, images, None),
        "captum": lambda: captum.attribute(images, target=0, relu_attributions=True),
    }
    return {
        "cam": Timed(_inference(lambda: cam.explain(model, images))),
        "gradcam": Timed(lambda: gradcam.explain(model, images), peers),
        "occlusion": _occlusion(model, images),
        "novelty": Timed(_novelty(model, images, None)),
        "rise": _rise(model, images),
    }


def _vit(model: RolloutClassifier, images: Tensor) -> dict[str, Timed]:
    grid = model.backbone.patch_embed.grid_size

    def reshape(tokens: Tensor) -> Tensor:
        return tokens[:, model.backbone.num_prefix_tokens :].transpose(1, 2).unflatten(2, grid)

    of_patches = copy.copy(model)  # with the same weights
    of_patches.settings = Head(reads="patch_tokens")
    layer = model.backbone.blocks[-1].norm1
    peer = partial(_pytorch_grad_cam, Columns(model), layer, images, reshape)
    timed = {
        "cam_vit": Timed(_inference(lambda: cam.explain(of_patches, images))),
        "rollout": _rollout(model, images, ("mean",), (0.0,)),
        "rollout_discard": _rollout(model, images, ("mean",), (0.9,)),
        "rollout_sweep": _rollout(model, images, FUSIONS, RATIOS),
        "gradcam_vit": Timed(lambda: gradcam.explain(model, images), {"pytorch-grad-cam": peer}),
        "occlusion_vit": _occlusion(model, images),
        "novelty_vit": Timed(_novelty(model, images, "mean")),
        "rise_vit": _rise(model, images),
    }
    own = {
        "gradient_rollout": gradient_rollout,
        "attention_gradient": attention_gradient,
        "lrp": lrp,
        "attn_lrp": attn_lrp,
    }
    return timed | {name: Timed(partial(method.explain, model, images)) for name, method in own.items()}


def _rollout(model: RolloutClassifier, images: Tensor, fusions: tuple[str, ...], discards: tuple[float, ...]) -> Timed:
    settings = settings_grid(fusions, discards)

    def published() -> None:
        for setting in settings:
            published_rollout(model, images, setting.fusion, setting.discard)

    ours = _inference(lambda: rollout.explain(model, images, settings=settings))
    return Timed(ours, {"published": _inference(published)}, slow=len(settings) > 1)


def _occlusion(model: CamClassifier | RolloutClassifier, images: Tensor) -> Timed:
    window = images.shape[-1] // 7
    peer = Occlusion(Columns(model))
    shape = (3, window, window)
    return Timed(
        lambda: occlusion.explain(model, images, None, window, window, ("zero",)),
        {"captum": _inference(lambda: peer.attribute(images, shape, shape, baselines=0.5, target=0))},
        slow=True,
    )


def _rise(model: CamClassifier | RolloutClassifier, images: Tensor) -> Timed:
    """Return RISE with a hundredth of the paper's masks for ResNet-50, for which it takes a hundredth of the time."""
    return Timed(lambda: rise.explain(model, images, masks=80, batch=40), slow=True)


def _novelty(model: CamClassifier | RolloutClassifier, images: Tensor, fusion: str | None) -> Call:
    """Return novelty by a memory of the size that params.yaml has; its content, here random, changes no time."""
    parameters = read_params().read(Explain)
    rule = replace(parameters.novelty, weights=(2.0,))
    with torch.no_grad(), EarlyFeatures(model).heard() as heard:
        model(images[:1])
    channels = heard().shape[1]
    memory = torch.randn(rule.memory, min(rule.channels or channels, channels), device=images.device)
    axes = torch.randn(channels, memory.shape[1], device=images.device)
    even = Spread(0, 1)
    good = GoodTiles(memory, torch.zeros(channels, device=images.device), axes, even, {fusion: even}, None)
    alone = replace(parameters, novelty=rule, fusion=(fusion or "mean",))
    return _inference(lambda: novelty.explain(model, images, None, alone, good))


def _pytorch_grad_cam(
    columns: nn.Module, layer: nn.Module, images: Tensor, reshape: Callable[[Tensor], Tensor] | None
) -> None:
    with GradCAM(columns, [layer], reshape_transform=reshape) as peer:
        peer(images, [ClassifierOutputTarget(0)] * len(images))
    columns.zero_grad()


def _inference(call: Call) -> Call:
    return torch.inference_mode()(call)


def training_steps(model: CamClassifier, images: Tensor) -> dict[str, Call]:
    """Return one training step through the explanation head, and one through plain pooling and a linear layer."""
    linear = nn.Linear(model.head.in_channels, 1).to(images.device)

    def plain() -> None:
        features = model.backbone((images - model.mean) / model.std)[0]  # type: ignore[operator]
        linear(features.mean(dim=(2, 3))).sum().backward()

    return {"plain": plain, "head": lambda: model(images).logits.sum().backward()}
