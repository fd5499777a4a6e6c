"""Every explanation method by name: the families it fits, and how the `explain` section of params.yaml calls it.

To add one: its file in this folder, and one line in `METHODS`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from stages.explainers import attention_gradient, cam, gradcam, gradient_rollout, lrp, occlusion, rollout
from stages.models.cnn import CamClassifier
from stages.models.geometry import offset_px
from stages.models.outputs import Outputs, Target
from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.weights import Classifier, build_classifier
from stages.runtime.errors import InputError
from stages.runtime.params import Explain
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
        """Return logits and heatmaps of images (N, 3, H, W) in 0..1."""
        return self.call(self.model, images, target, self.explain)


def plan(model: Classifier, description: dict[str, Any], explain: Explain) -> list[Planned]:
    """Return the configured methods of a model, its own first, and the control last.

    The control is the first method on the same architecture with freshly drawn weights, for the first discard ratio
    only (Adebayo et al. 2018, "Sanity checks for saliency maps"): a map that looks the same shows the architecture, not
    what was learned.

    Raises:
        InputError: a method is unknown or does not fit the family.
    """
    family = description["family"]
    names = explain.methods.cnn if family == "cnn" else explain.methods.vit
    planned = [_planned(name, name, model, description, explain) for name in names]
    if explain.control:
        few = replace(explain, discard=explain.discard[:1])
        planned.append(
            _planned(names[0], f"{names[0]}_randomised", _randomised(description, explain.seed), description, few)
        )
    return planned


@torch.no_grad()
def defect_target(model: Classifier, images: Tensor, classes: list[str]) -> Target:
    """Return the class that tiles are explained for: of a binary model defective, else the likeliest kind of defect.

    Good is never explained, whatever was predicted: heatmaps are to show where the defect is.
    """
    logits = model(images).logits
    if logits.ndim == 1:
        return None
    if "good" in classes:
        logits[:, classes.index("good")] = -torch.inf
    return logits.argmax(dim=1)


def _planned(name: str, title: str, model: Classifier, description: dict[str, Any], explain: Explain) -> Planned:
    family = description["family"]
    fitting = [known for known, method in METHODS.items() if family in method.families]
    where = f"params.yaml: explain.methods.{family}"
    if name not in METHODS:
        raise InputError(f"{where} has {name!r}, which is no method; use {', '.join(fitting)}")
    if name not in fitting:
        raise InputError(f"{where} has {name!r}, which does not fit a {family}; use {', '.join(fitting)}")
    settings = [{"name": title, "fusion": title, "discard": 0.0}]
    if METHODS[name].grid:
        settings = [
            {"name": setting.name, "fusion": setting.fusion, "discard": setting.discard}
            for setting in settings_grid(explain.fusion, explain.discard)
        ]
    cell, offset = _geometry(name, model, description, explain)
    return Planned(title, model, METHODS[name].call, explain, cell, offset, settings)


def _geometry(name: str, model: Classifier, description: dict[str, Any], explain: Explain) -> tuple[float, float]:
    """Return cell_px and offset_px of a method's maps.

    The offset is that of the receptive fields' centres, and 0 without `explain.align`. On the generated boards it is
    7.5 px at stride 16, and painting cells there lowered the pointing game on exact masks from 0.55 to 0.34 (CNN) and
    from 0.53 to 0.31 (hybrid ViT): trained filters respond left and above of the centre of what they can see.
    """
    px, stride = description["px"], description["stride"]
    network: Any = model.backbone  # what the images go through up to the cells, taken after `layer`
    layer = None
    if name == "occlusion":
        return explain.occlusion.stride_px, 0.0
    if isinstance(model, CamClassifier):
        if name == "gradcam" and explain.gradcam.stride is not None:
            stride = explain.gradcam.stride
            layer = model.features_at(stride)
    else:
        embedding = network.patch_embed
        network = getattr(embedding, "backbone", None)
        if network is None:
            return px / embedding.grid_size[1], 0.0
    try:
        return stride, offset_px(network, px, layer) if explain.align else 0.0
    except ValueError:  # a network that cannot be followed: its cells are taken to lie where they seem to
        return stride, 0.0


def _randomised(description: dict[str, Any], seed: int) -> Classifier:
    architecture = Architecture(*(description[key] for key in ("family", "arch", "stride", "stem", "depth")))
    neurons = 1 if description["task"] == "binary" else len(description["classes"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "control", description["model"]))
        return build_classifier(architecture, description["px"], neurons=neurons).eval()


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
