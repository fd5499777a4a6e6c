"""Every explanation method by name: the families it fits, and how the `explain` section of params.yaml calls it.

To add one: its file in this folder, and one line in `METHODS`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from stages.explainers import attention_gradient, cam, gradcam, gradient_rollout, lrp, occlusion, rollout
from stages.explainers.settings import Explain
from stages.models.geometry import offset_px, refuse_uncovered
from stages.models.outputs import Outputs, Target
from stages.models.rollout import settings_grid
from stages.models.trained import Description, build_described
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.errors import InputError
from stages.runtime.seeds import derive_seed

Call = Callable[[Any, Tensor, Target, Explain], Outputs]


@dataclass(frozen=True)
class Method:
    """A method: what it fits, how it is called, and whether its settings are fusion x discard."""

    families: tuple[str, ...]
    call: Call
    grid: bool = False


METHODS = {
    "cam": Method(("cnn",), lambda model, images, target, _: cam.explain(model, images, target)),
    "rollout": Method(("vit",), lambda model, images, target, given: _rollout(model, images, target, given), grid=True),
    "gradcam": Method(("cnn", "vit"), lambda model, images, target, given: _gradcam(model, images, target, given)),
    "gradient_rollout": Method(
        ("vit",), lambda model, images, target, given: _gradient_rollout(model, images, target, given)
    ),
    "attention_gradient": Method(
        ("vit",), lambda model, images, target, _: attention_gradient.explain(model, images, target)
    ),
    "lrp": Method(("vit",), lambda model, images, target, _: lrp.explain(model, images, target)),
    "occlusion": Method(("cnn", "vit"), lambda model, images, target, given: _occlusion(model, images, target, given)),
}


@dataclass(frozen=True)
class Planned:
    """One method on one model, ready to be called, and what its maps mean."""

    name: str
    model: Classifier
    call: Call
    explain: Explain
    cell_px: float
    offset_px: float
    settings: list[dict[str, object]]

    def heatmaps(self, images: Tensor, target: Target) -> Outputs:
        """Return logits and heatmaps of images (N, 3, px, px) in 0..1.

        Raises:
            InputError: the maps are not those of a tile of px x px.
        """
        outputs = self.call(self.model, images, target, self.explain)
        assert outputs.heatmaps is not None
        refuse_uncovered(outputs.heatmaps.shape[2:], self.cell_px, images.shape[-1], self.name)
        return outputs


def plan(model: Classifier, description: Description, explain: Explain) -> list[Planned]:
    """Return the configured methods of a model, its own first, and the control last.

    The control is the first method on the same architecture with freshly drawn weights, for the first discard ratio
    only (Adebayo et al. 2018, "Sanity checks for saliency maps"): a map that looks the same shows the architecture, not
    what was learned.

    Raises:
        InputError: a method is unknown or does not fit the family, or its cells cannot be placed as asked for.
    """
    family = description.architecture.family
    names = explain.methods.cnn if family == "cnn" else explain.methods.vit
    planned = [_planned(name, name, model, description, explain) for name in names]
    if explain.control:
        few = replace(explain, discard=explain.discard[:1])
        planned.append(
            _planned(names[0], f"{names[0]}_randomised", _randomised(description, explain.seed), description, few)
        )
    return planned


def refuse_methods(explain: Explain, families: Collection[str], px: int) -> None:
    """Raise an `InputError` where a method is unknown, fits none of these families, or cannot work on tiles of `px`."""
    for family in sorted(families):
        names = explain.methods.cnn if family == "cnn" else explain.methods.vit
        for name in names:
            _refuse_method(name, family)
        if "occlusion" in names:
            occlusion.refuse_window(explain.occlusion.window_px, explain.occlusion.stride_px, px)


@torch.no_grad()
def defect_target(model: Classifier, images: Tensor, classes: Sequence[str]) -> Target:
    """Return the class that tiles are explained for: of a binary model defective, else the likeliest kind of defect.

    Good is never explained, whatever was predicted: heatmaps are to show where the defect is.
    """
    logits = model(images).logits
    if logits.ndim == 1:
        return None
    if "good" in classes:
        logits[:, classes.index("good")] = -torch.inf
    return logits.argmax(dim=1)


def _refuse_method(name: str, family: str) -> None:
    fitting = [known for known, method in METHODS.items() if family in method.families]
    where = f"params.yaml: explain.methods.{family}"
    if name not in METHODS:
        raise InputError(f"{where} has {name!r}, which is no method; use {', '.join(fitting)}")
    if name not in fitting:
        raise InputError(f"{where} has {name!r}, which does not fit a {family}; use {', '.join(fitting)}")


def _planned(name: str, title: str, model: Classifier, description: Description, explain: Explain) -> Planned:
    _refuse_method(name, description.architecture.family)
    settings = [{"name": title, "fusion": title, "discard": 0.0}]
    if METHODS[name].grid:
        settings = [
            {"name": setting.name, "fusion": setting.fusion, "discard": setting.discard}
            for setting in settings_grid(explain.fusion, explain.discard)
        ]
    cell, offset = _geometry(name, model, description, explain)
    return Planned(title, model, METHODS[name].call, explain, cell, offset, settings)


def _geometry(name: str, model: Classifier, description: Description, explain: Explain) -> tuple[float, float]:
    """Return cell_px and offset_px of a method's maps.

    The offset is that of the receptive fields' centres, and 0 without `explain.align`. On the generated boards it is
    7.5 px at stride 16, and painting cells there lowered the pointing game on exact masks from 0.55 to 0.34 (CNN) and
    from 0.53 to 0.31 (hybrid ViT): trained filters respond left and above of the centre of what they can see.

    Raises:
        InputError: the offset is asked for, and the network cannot be followed.
    """
    if name == "occlusion":
        return explain.occlusion.stride_px, 0.0
    cell_px, layer, patch = model.cell_px, None, 1
    network: Any = model.backbone  # what the images go through up to the cells, taken after `layer`
    if isinstance(model, RolloutClassifier):
        patch = network.patch_embed.patch_size[1]  # in features of the stem
        network = getattr(network.patch_embed, "backbone", None)
    elif name == "gradcam" and explain.gradcam.stride is not None:
        cell_px = explain.gradcam.stride
        layer = model.features_at(explain.gradcam.stride)
    if network is None or not explain.align:  # patches of pixels have no padding
        return cell_px, 0.0
    try:
        return cell_px, offset_px(network, description.px, cell_px / patch, layer)
    except ValueError as error:
        raise InputError(
            f"params.yaml: explain.align is true, but where the cells of {description.model} lie cannot be measured "
            f"({error}); set it to false"
        ) from None


def _randomised(description: Description, seed: int) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "control", description.model))
        return build_described(description).eval()


def _rollout(model: Any, images: Tensor, target: Target, explain: Explain) -> Outputs:
    settings = settings_grid(explain.fusion, explain.discard)
    return rollout.explain(model, images, target, settings=settings, normalise=explain.normalise)


def _gradient_rollout(model: Any, images: Tensor, target: Target, explain: Explain) -> Outputs:
    return gradient_rollout.explain(model, images, target, normalise=explain.normalise)


def _gradcam(model: Any, images: Tensor, target: Target, explain: Explain) -> Outputs:
    return gradcam.explain(model, images, target, explain.gradcam.relu, explain.gradcam.stride)


def _occlusion(model: Any, images: Tensor, target: Target, explain: Explain) -> Outputs:
    given = explain.occlusion
    return occlusion.explain(
        model, images, target, given.window_px, given.stride_px, given.fills, given.value, given.batch
    )
