"""CAM against an independent derivation: the gradient of the logit with respect to the features."""

import pytest
import torch

from stages.explainers import cam
from stages.models.cnn import CamClassifier
from stages.models.outputs import select_score
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError


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


@pytest.mark.parametrize("target", [None, 0, torch.tensor([2, 0])])
def test_cam_of_a_vit_is_gradient_times_tokens_summed_over_channels(target: int | torch.Tensor | None) -> None:
    torch.manual_seed(0)
    head = Head(reads="patch_tokens")
    model = RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3, neurons=3, head=head).eval()
    images, kept = torch.rand(2, 3, 64, 64), []

    def keep(_: object, __: object, tokens: torch.Tensor) -> None:
        tokens.retain_grad()
        kept.append(tokens)

    model.backbone.norm.register_forward_hook(keep)
    outputs = cam.explain(model, images, target)
    select_score(outputs.logits, target).sum().backward()
    expected = (kept[0].grad * kept[0])[:, 1:].sum(dim=2).reshape(2, 1, 4, 4) * 16  # type: ignore[operator]
    assert outputs.heatmaps is not None
    torch.testing.assert_close(outputs.heatmaps, expected, rtol=1e-4, atol=1e-6)


def test_binary_good_is_the_opposite_of_defective_on_a_vit_too() -> None:
    torch.manual_seed(0)
    model = RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3, head=Head(reads="patch_tokens")).eval()
    images = torch.rand(2, 3, 64, 64)
    good, defective = (cam.explain(model, images, target).heatmaps for target in (0, 1))
    torch.testing.assert_close(good, -defective)  # type: ignore[operator]


def test_a_vit_on_its_class_token_has_none() -> None:
    model = RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3).eval()
    with pytest.raises(InputError, match="a ViT that reads its class token has no class map"):
        cam.explain(model, torch.rand(1, 3, 64, 64))


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
