"""Attention rollout (Abnar & Zuidema 2020; thesis section 2.3) for every fusion and discard ratio in one forward pass.

The formula, and where it departs from the published code, is in `stages.models.rollout`. Rollout knows no class: the
map says where the class token looked, whatever it decided; or, of a classifier that reads its patch tokens, where the
patches looked.
"""

from dataclasses import replace

from torch import Tensor

from stages.explainers.method import MapSetting, Method
from stages.explainers.small_batches import in_small_batches
from stages.models.outputs import Outputs, Target, target_classes
from stages.models.rollout import Setting, settings_grid
from stages.models.vit import RolloutClassifier


def explain(
    model: RolloutClassifier,
    images: Tensor,
    target: Target = None,
    *,
    settings: tuple[Setting, ...],
    normalise: str = "rows",
) -> Outputs:
    """Return logits and heatmaps (N, S, px/patch, px/patch) of images (N, 3, px, px) in 0..1.

    Args:
        model: classifier with rollout in its forward pass.
        images: to explain.
        target: changes no map; it is checked like that of every other method.
        settings: head fusions and discard ratios, `settings_grid` gives every combination.
        normalise: `rows` or `published`, see `stages.models.rollout`.

    Raises:
        InputError: the target is not one of the classes, or an image or a weight is not finite.

    >>> import torch
    >>> from stages.models.vit import RolloutClassifier
    >>> model = RolloutClassifier("test_vit", 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> from stages.models.rollout import settings_grid
    >>> explain(model, torch.rand(2, 3, 64, 64), settings=settings_grid(("min", "mean"), (0.0, 0.5))).heatmaps.shape
    torch.Size([2, 4, 4, 4])
    """
    outputs = in_small_batches(lambda some, _: model(some, settings, normalise), model, images, target)
    target_classes(outputs.logits, target)
    return outputs


METHOD = Method(
    families=("vit",),
    settings_of=lambda _, parameters: [
        MapSetting(setting.name, setting.fusion, setting.discard)
        for setting in settings_grid(parameters.fusion, parameters.discard)
    ],
    one_setting=lambda parameters, setting: replace(parameters, fusion=(setting.fusion,), discard=(setting.discard,)),
    shares=True,
    call=lambda model, images, target, parameters: explain(
        model,
        images,
        target,
        settings=settings_grid(parameters.fusion, parameters.discard),
        normalise=parameters.normalise,
    ),
)
