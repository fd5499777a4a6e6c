"""The network that a classifier began with, once more: pre-trained, before it saw any label."""

from dataclasses import replace

import torch

from stages.models.features import COARSEST_PX
from stages.models.registry import Architecture
from stages.models.trained import Description, channels_last
from stages.models.weights import Classifier, Origin, initial_classifier
from stages.runtime.errors import InputError

FOUND_AGAIN = ("hub", "download", "package")  # where weights come from that need no path


def why_not_again(description: Description) -> str | None:
    """Return why the weights that a model began with cannot be had once more; None: they can."""
    origin, name = description.origin, description.model
    if _place_of(origin) in FOUND_AGAIN:
        return None
    return f"{name} began with weights from {origin.source}, which cannot be fetched again"


def pretrained_classifier(description: Description) -> Classifier:
    """Build, in evaluation mode, the network whose pre-trained weights a model began with; its head means nothing.

    Of a CNN, and of the CNN that a hybrid ViT reads, the part up to the last features of `COARSEST_PX` per cell.

    Args:
        description: of the trained model.

    Raises:
        InputError: the model began with random weights or those of a file, or its weights cannot be had any more.
    """
    origin, name = description.origin, description.model
    if reason := why_not_again(description):
        raise InputError(f"params.yaml: explain.novelty.features is pretrained, but {reason}; use own")
    where = _place_of(origin)
    given = description.architecture
    architecture = replace(given)
    if given.stride is not None:
        architecture = Architecture("cnn", given.pretrained_arch, min(given.stride, COARSEST_PX))
    with torch.random.fork_rng(devices=[]):
        kind = "package" if where == "package" else "hub"
        model, again = initial_classifier(name, architecture, description.px, kind, None)
    if origin.sha256 and again.sha256 != origin.sha256:
        raise InputError(
            f"params.yaml: models.{name}.weights: {again.source} has other weights now than {name} began with; train "
            "it again, or set explain.novelty.features to own, and explain.references without nearest_good"
        )
    return channels_last(model).eval()


def _place_of(origin: Origin) -> str:
    return origin.source.split(" ", maxsplit=1)[0]
