"""CAM against torchcam's, on the same backbone with pooling before its linear layer."""

import pytest
import torch
from torch import Tensor, nn
from torchcam.methods import CAM

from stages.explainers import cam
from stages.models.cnn import CamClassifier


class Pooled(nn.Module):
    """The thesis' network as other code writes it: features, global average pooling, a linear layer."""

    def __init__(self, model: CamClassifier) -> None:
        super().__init__()
        self.model, self.features = model, nn.Identity()
        self.linear = nn.Linear(model.head.in_channels, model.head.out_channels)
        self.linear.weight.data = model.head.weight.data.flatten(1)
        self.linear.bias.data = model.head.bias.data  # type: ignore[union-attr]

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(self.model.backbone((images - self.model.mean) / self.model.std)[0])
        return self.linear(features.mean(dim=(2, 3)))


@pytest.mark.parametrize("target", [0, 2])
def test_agrees_with_torchcam(target: int) -> None:
    torch.manual_seed(0)
    model = CamClassifier("test_efficientnet", 16, (0.5,) * 3, (0.5,) * 3, neurons=3).eval()
    images, pooled = torch.rand(2, 3, 64, 64), Pooled(model).eval()
    with CAM(pooled, target_layer="features", fc_layer="linear") as peer, torch.no_grad():
        logits = pooled(images)
        theirs = peer(target, logits, normalized=False)[0]
    ours = cam.explain(model, images, target)
    torch.testing.assert_close(ours.logits, logits)
    assert ours.heatmaps is not None
    torch.testing.assert_close(ours.heatmaps[:, 0].relu(), theirs.relu(), rtol=1e-4, atol=1e-6)
