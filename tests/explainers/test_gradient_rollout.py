"""Normalisation of gradient rollout; the rest is in test_vit_methods."""

import torch

from stages.explainers import gradient_rollout
from tests.explainers.slow_vit import images, tiny


def test_published_normalisation_is_another() -> None:
    model, given = tiny(), images(1)
    rows, published = (
        gradient_rollout.explain(model, given, normalise=kind).heatmaps for kind in ("rows", "published")
    )
    assert not torch.allclose(rows, published)  # type: ignore[arg-type]
