"""Every model of the registry, maps included: `pytest -m slow tests/exports/test_registry.py`, a minute each.

With random weights: what is compared is arithmetic, not what was learned.
"""

import numpy as np
import pytest
import torch

from stages.exports.parity import refuse_different
from stages.models.registry import ARCHITECTURES
from tests.exports.small import classifier, explanation_of, exported_parity, pictures

TILES_PX = {"vit_hybrid_lite0": 112, "efficientnet_lite0": 112, "efficientnet_lite0_d": 112}


@pytest.mark.slow
@pytest.mark.parametrize("discard", [0.0, 0.9])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_model_is_exported_as_it_is(name: str, discard: float) -> None:
    architecture = ARCHITECTURES[name]
    if architecture.family == "cnn" and discard:
        pytest.skip("a CNN discards nothing")
    px = TILES_PX.get(name, 224)
    torch.manual_seed(0)
    model, description = classifier(architecture, px, spread=8.0)
    explanation = explanation_of(architecture.family, "mean", discard)
    parity = exported_parity(model, description, explanation, [pictures(3, px), pictures(1, px, 1)])
    print(f"{name} {discard:g}: {parity}")
    refuse_different(name, parity)
    assert np.isfinite(parity.logits)
