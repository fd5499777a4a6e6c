"""Which probability is followed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.faithfulness.probability import make_predict
from stages.metrics.faithfulness import Predict
from stages.models.outputs import Outputs


class Kinds(nn.Module):
    def forward(self, images: Tensor) -> Outputs:
        bright = images.mean(dim=(1, 2, 3))
        return Outputs(torch.stack([bright, 1 - bright, torch.zeros_like(bright)], dim=1), None)


def predict_of(classes: tuple[str, ...], pixels: np.ndarray) -> Predict:
    model: Any = Kinds()
    description: Any = SimpleNamespace(task="multiclass", classes=classes)
    return make_predict(model, description, pixels, 8, torch.device("cpu"))


def test_a_classifier_of_kinds_is_asked_for_the_likeliest_defect_and_never_for_good() -> None:
    pixels = np.zeros((2, 2, 2, 3), np.uint8)
    pixels[0] = 255
    e = np.e
    predict = predict_of(("open", "short", "spur"), pixels)
    assert predict(pixels).tolist() == pytest.approx([e / (e + 2)] * 2)  # class 0 of the first, class 1 of the second
    assert predict(pixels[::-1].copy()).tolist() == pytest.approx([1 / (e + 2)] * 2)
    predict = predict_of(("good", "open", "short"), pixels)
    # the first tile is predicted good: the first of the two equal defects; class 1 of the second as before
    assert predict(pixels).tolist() == pytest.approx([1 / (e + 2), e / (e + 2)])
