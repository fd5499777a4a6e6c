"""The table of explanation methods; everything that one of them is stands in its own file in this folder."""

from collections.abc import Mapping
from dataclasses import make_dataclass
from typing import Any

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
from stages.explainers.guided import refuse_guided
from stages.explainers.method import Method
from stages.explainers.settings import ExplainCommon
from stages.explainers.views import scaled_px
from stages.models.registry import Architecture
from stages.runtime.errors import InputError

METHODS: dict[str, Method] = {
    "cam": cam.METHOD,
    "rollout": rollout.METHOD,
    "gradcam": gradcam.METHOD,
    "gradient_rollout": gradient_rollout.METHOD,
    "attention_gradient": attention_gradient.METHOD,
    "lrp": lrp.METHOD,
    "occlusion": occlusion.METHOD,
    "novelty": novelty.METHOD,
    "attn_lrp": attn_lrp.METHOD,
    "rise": rise.METHOD,
}

# The section `explain` of params.yaml: what `ExplainCommon` has, and the settings of each method that has some.
Explain: Any = make_dataclass(
    "Explain",
    [(name, method.settings) for name, method in METHODS.items() if method.settings],
    bases=(ExplainCommon,),
    frozen=True,
    kw_only=True,
)


def chosen_methods(parameters: ExplainCommon, model: str, architecture: Architecture) -> dict[str, Method]:
    """Return the methods that `explain.methods` names for a model's family and that fit the model, in its order.

    The first is the model's own: two ViTs of one run, of which one reads its class token, can have another one each.

    Args:
        parameters: the section `explain`.
        model: its name, for messages.
        architecture: of the model.

    Raises:
        InputError: one is unknown or does not fit the family, or none fits what this model reads.
    """
    family = architecture.family
    names: tuple[str, ...] = getattr(parameters.methods, family)
    of_family = {name: method for name, method in METHODS.items() if family in method.families}
    fitting = ", ".join(name for name, method in of_family.items() if not method.why_not(architecture))
    for name in names:
        where = f"params.yaml: explain.methods.{family} has {name!r}"
        if name not in of_family:
            reason = f"does not fit a {family}" if name in METHODS else "is no method"
            raise InputError(f"{where}, which {reason}; use {fitting}")
    left_out = methods_left_out(parameters, architecture)
    if names and len(left_out) == len(names):
        name, reason = next(iter(left_out.items()))
        where = f"params.yaml: explain.methods.{family} has nothing that fits {model}"
        raise InputError(f"{where}: not {name!r}, because {reason}; add {fitting}")
    return {name: METHODS[name] for name in names if name not in left_out}


def methods_left_out(parameters: ExplainCommon, architecture: Architecture) -> dict[str, str]:
    """Return those of `explain.methods` that do not fit a model of their family, and why; all of them are known."""
    names: tuple[str, ...] = getattr(parameters.methods, architecture.family)
    return {name: reason for name in names if (reason := METHODS[name].why_not(architecture))}


def refuse_methods(parameters: ExplainCommon, architectures: Mapping[str, Architecture], px: int) -> None:
    """Raise an `InputError` where a method is unknown, does not fit a model, or cannot work on tiles of `px`.

    Args:
        parameters: the section `explain`.
        architectures: of every model, by its name.
        px: side of the tiles.
    """
    refuse_guided(parameters, px)
    for model, architecture in architectures.items():
        for method in chosen_methods(parameters, model, architecture).values():
            if method.refuse:
                for scale in parameters.scales:
                    method.refuse(parameters, scaled_px(px, scale))
