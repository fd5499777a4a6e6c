"""The table of explanation methods; everything that one of them is stands in its own file in this folder."""

from collections.abc import Collection
from dataclasses import make_dataclass
from typing import Any

from stages.explainers import attention_gradient, cam, gradcam, gradient_rollout, lrp, occlusion, rollout
from stages.explainers.guided import refuse_guided
from stages.explainers.method import Method
from stages.explainers.settings import ExplainCommon
from stages.explainers.views import scaled_px
from stages.runtime.errors import InputError

METHODS: dict[str, Method] = {
    "cam": cam.METHOD,
    "rollout": rollout.METHOD,
    "gradcam": gradcam.METHOD,
    "gradient_rollout": gradient_rollout.METHOD,
    "attention_gradient": attention_gradient.METHOD,
    "lrp": lrp.METHOD,
    "occlusion": occlusion.METHOD,
}

# The section `explain` of params.yaml: what `ExplainCommon` has, and the settings of each method that has some.
Explain: Any = make_dataclass(
    "Explain",
    [(name, method.settings) for name, method in METHODS.items() if method.settings],
    bases=(ExplainCommon,),
    frozen=True,
    kw_only=True,
)


def chosen_methods(parameters: ExplainCommon, family: str) -> dict[str, Method]:
    """Return the methods that `explain.methods` names for a family, in its order.

    Raises:
        InputError: one is unknown or does not fit the family.
    """
    names: tuple[str, ...] = getattr(parameters.methods, family)
    fitting = [name for name, method in METHODS.items() if family in method.families]
    for name in names:
        if name not in fitting:
            reason = f"does not fit a {family}" if name in METHODS else "is no method"
            raise InputError(
                f"params.yaml: explain.methods.{family} has {name!r}, which {reason}; use {', '.join(fitting)}"
            )
    return {name: METHODS[name] for name in names}


def refuse_methods(parameters: ExplainCommon, families: Collection[str], px: int) -> None:
    """Raise an `InputError` where a method is unknown, fits none of these families, or cannot work on tiles of `px`."""
    refuse_guided(parameters, px)
    for family in sorted(families):
        for method in chosen_methods(parameters, family).values():
            if method.refuse:
                for scale in parameters.scales:
                    method.refuse(parameters, scaled_px(px, scale))
