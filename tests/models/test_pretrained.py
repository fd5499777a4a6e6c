"""The network that a classifier began with: the same features as the package's, whatever training made of them."""

from dataclasses import replace

import pytest
import torch

from stages.models.features import EarlyFeatures
from stages.models.pretrained import pretrained_classifier
from stages.models.registry import ARCHITECTURES
from stages.models.settings import Head
from stages.models.trained import Description
from stages.models.weights import SCRATCH, Classifier, Origin, initial_classifier
from stages.runtime.errors import InputError

BINARY = ("good", "defective")


def began(name: str) -> tuple[Classifier, Description]:
    model, origin = initial_classifier(name, ARCHITECTURES[name], 64, "package", None)
    return model.eval(), Description(name, ARCHITECTURES[name], 64, "binary", BINARY, origin)


@torch.no_grad()
def features(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    with EarlyFeatures(model).heard() as heard:
        model(images)
    return heard()


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vit_hybrid_lite0"])
def test_its_features_are_those_before_training(name: str) -> None:
    model, description = began(name)
    images = torch.rand(1, 3, 64, 64)
    finer = replace(description, architecture=replace(description.architecture, head=Head(map_stride=8)))
    described = finer if description.architecture.family == "cnn" else description
    state = torch.random.get_rng_state()
    again = pretrained_classifier(described)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(features(again, images), features(model, images), rtol=1e-3, atol=1e-3)
    assert len(list(again.parameters())) < len(list(model.parameters()))  # nothing after stride 16


@pytest.mark.parametrize("origin", [SCRATCH, Origin(True, "file mine.pth", "ab")])
def test_weights_that_no_one_knows_where_to_fetch_are_refused(origin: Origin) -> None:
    description = Description("mine", ARCHITECTURES["efficientnet_lite0_d"], 64, "binary", BINARY, origin)
    with pytest.raises(InputError, match=r"features is pretrained, but mine began with weights from .*; use own"):
        pretrained_classifier(description)


def test_other_weights_under_the_same_name_are_refused() -> None:
    _, description = began("efficientnet_lite0_d")
    other = replace(description, origin=replace(description.origin, sha256="0" * 64))
    with pytest.raises(InputError, match="has other weights now than efficientnet_lite0_d began with"):
        pretrained_classifier(other)
