"""CAM against an independent derivation: the gradient of the logit with respect to the features."""

import torch

from stages.explainers import cam
from stages.models.cnn import CamClassifier


def test_cam_is_gradient_times_features_summed_over_channels() -> None:
    # d logit / d features[c, y, x] = weight[c] / (h w): gradient x features x (h w), summed over c, is the CAM.
    torch.manual_seed(0)
    model = CamClassifier("test_resnet", 16, (0.5,) * 3, (0.5,) * 3).eval()
    images = torch.rand(2, 3, 64, 64)
    kept: list[torch.Tensor] = []

    def keep(_: object, __: object, features: list[torch.Tensor]) -> None:
        features[0].retain_grad()
        kept.append(features[0])

    model.backbone.register_forward_hook(keep)
    outputs = cam.explain(model, images)
    outputs.logits.sum().backward()
    gradient = kept[0].grad
    assert gradient is not None and outputs.heatmaps is not None
    expected = (gradient * kept[0]).sum(1) * gradient[0, 0].numel()
    torch.testing.assert_close(outputs.heatmaps[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_an_image_does_not_see_its_batch() -> None:
    torch.manual_seed(0)
    model = CamClassifier("test_efficientnet", 16, (0.5,) * 3, (0.5,) * 3).eval()
    images = torch.rand(3, 3, 64, 64)
    together, alone = cam.explain(model, images), cam.explain(model, images[1:2])
    torch.testing.assert_close(together.heatmaps[1:2], alone.heatmaps, rtol=1e-4, atol=1e-5)  # type: ignore[index]


def test_constant_model_gives_a_constant_zero_map() -> None:
    model = CamClassifier("test_efficientnet", 16, (0.5,) * 3, (0.5,) * 3).eval()
    torch.nn.init.zeros_(model.head.weight)
    outputs = cam.explain(model, torch.rand(1, 3, 64, 64))
    assert outputs.heatmaps is not None and not outputs.heatmaps.any()
