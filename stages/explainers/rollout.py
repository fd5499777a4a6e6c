"""Attention rollout (Abnar & Zuidema 2020; thesis section 2.3) for every fusion and discard ratio in one forward pass.

The formula, and where it departs from the published code, is in `stages.models.rollout`. Rollout knows no class: the
map says where the class token looked, whatever it decided.
"""

from torch import Tensor

from stages.models.outputs import Outputs
from stages.models.rollout import Setting
from stages.models.vit import RolloutClassifier


def explain(
    model: RolloutClassifier, images: Tensor, settings: tuple[Setting, ...], normalise: str = "rows"
) -> Outputs:
    """Return logits (N,) and heatmaps (N, S, px/patch, px/patch) of images (N, 3, px, px) in 0..1."""
    return model(images, settings, normalise)
