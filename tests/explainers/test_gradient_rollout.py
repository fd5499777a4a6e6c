"""Discard ratios of gradient rollout against the reference; the rest is in test_vit_methods."""

import pytest
import torch

from stages.explainers import gradient_rollout
from tests.explainers import slow_vit
from tests.explainers.slow_vit import images, tiny


@pytest.mark.parametrize("target", [None, 0])
def test_discards_like_the_reference(target: int | None) -> None:
    model, given, discards = tiny(), images(2), (0.0, 0.5, 0.9)
    ours = gradient_rollout.explain(model, given, target, discards=discards).heatmaps
    assert ours is not None and ours.shape == (2, 3, 3, 3)
    for image, (column, discard) in ((i, pair) for i in range(2) for pair in enumerate(discards)):
        expected = slow_vit.gradient_rollout(model, given[image : image + 1], target, discard)
        torch.testing.assert_close(ours[image, column], expected, rtol=1e-6, atol=1e-12)


def test_published_normalisation_is_another() -> None:
    model, given = tiny(), images(1)
    rows, published = (
        gradient_rollout.explain(model, given, normalise=kind).heatmaps for kind in ("rows", "published")
    )
    assert not torch.allclose(rows, published)  # type: ignore[arg-type]
