"""Whether the heatmaps of a model can be part of its graph."""

from typing import Any

from stages.explainers.methods import METHODS
from stages.exports.graph import GRAPHS
from stages.models.registry import Architecture
from stages.models.rollout import FUSIONS
from stages.scores.scores import Explanation


def why_not_exportable(name: str, architecture: Architecture, explanation: Explanation, parameters: Any) -> str | None:
    """Return why the heatmaps of a model cannot be part of its graph, in one line; None: they can.

    Args:
        name, architecture: of the model.
        explanation: the one that validation chose.
        parameters: the section `explain` of params.yaml.
    """
    held, family = _held(architecture), architecture.family
    if explanation.method not in held:
        return (
            f"params.yaml: {name} is explained by {explanation.method!r}, which an exported graph cannot hold of it; "
            f"put {' or '.join(held)} first (-S 'explain.methods.{family}=[{held[0]}]'), or leave {name} out of "
            "export.models"
        )
    if explanation.method == "novelty" and parameters.novelty.features != "own":
        return (
            f"params.yaml: explain.novelty.features is {parameters.novelty.features}, but an exported graph holds one "
            f"network; use own (-S explain.novelty.features=own), or leave {name} out of export.models"
        )
    if explanation.method == "rollout" and explanation.fusion not in FUSIONS:
        return (
            f"params.yaml: {name} is explained by rollout with the fusion {explanation.fusion!r}, which an exported "
            f"graph cannot hold; it can hold {', '.join(FUSIONS)}"
        )
    if parameters.flips != "none" or parameters.scales != (1.0,):
        return (
            "params.yaml: explain.flips and explain.scales average maps of several forward passes, which an exported "
            f"graph does not; set them to none and [1.0], or leave {name} out of export.models"
        )
    return None


def _held(architecture: Architecture) -> list[str]:
    """Return the methods that the graph of a model can hold."""
    own = [name for family, name in GRAPHS if family == architecture.family]
    fitting = [name for name in own if METHODS[name].why_not(architecture) is None]
    # of a ViT that reads its patches a graph has the class map, not the rollout beside it
    return [name for name in fitting if name != "rollout" or architecture.head.reads == "class_token"]
