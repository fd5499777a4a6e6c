"""Every head: pool(map) + bias = logit, of one forward pass; a map without bias, its cells where the features' are."""

import pytest
import torch
from torch import Tensor

from stages.models.cnn import CamClassifier
from stages.models.heads import HEADS, mean

HALF = (0.5, 0.5, 0.5)
every_head = pytest.mark.parametrize("head", HEADS)


def model_with(head: str, neurons: int) -> CamClassifier:
    torch.manual_seed(0)
    model = CamClassifier("test_efficientnet", 16, HALF, HALF, neurons=neurons, head=head).eval()
    model.head.bias.data = torch.linspace(-1, 2, neurons)
    return model


@every_head
@pytest.mark.parametrize("neurons", [1, 3])
def test_pool_of_the_map_plus_bias_is_the_logit(head: str, neurons: int) -> None:
    model, images = model_with(head, neurons), torch.rand(2, 3, 64, 96)
    logits, cam = model(images, explain=True)
    assert cam.shape[:2] == (2, neurons)
    assert torch.equal(HEADS[head].pool(cam) + model.head.bias, logits.reshape(2, neurons))
    assert torch.equal(model(images).logits, logits)
    assert torch.equal(model.classify(model.backbone((images - 0.5) / 0.5)[0]), logits)


@every_head
def test_bias_starts_at_0_and_is_in_no_map(head: str) -> None:
    assert (CamClassifier("test_efficientnet", 16, HALF, HALF, head=head).head.bias == 0).all()
    model, images = model_with(head, 2), torch.rand(1, 3, 64, 64)
    before = model(images, explain=True).heatmaps
    model.head.bias.data += 5
    assert torch.equal(model(images, explain=True).heatmaps, before)


@every_head
def test_a_map_is_mirrored_with_its_features(head: str) -> None:
    model, features = model_with(head, 2), torch.rand(1, model_with(head, 2).head.weight.shape[1], 4, 6)

    def to_map(given: Tensor) -> Tensor:
        return HEADS[head].to_map(model.head, given)

    for axis in (2, 3):
        torch.testing.assert_close(to_map(features.flip(axis)), to_map(features).flip(axis))


@every_head
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_features_stay_finite_in_half_precision(head: str, dtype: torch.dtype) -> None:
    model = model_with(head, 2).to(dtype)
    cam = HEADS[head].to_map(model.head, torch.full((1, model.head.weight.shape[1], 28, 28), 20, dtype=dtype))
    assert torch.isfinite(HEADS[head].pool(cam)).all()


def test_mean_worked_by_hand() -> None:
    head = mean.build(2, 1)
    head.weight.data = torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1)
    features = torch.tensor([[[[1.0, 0.0], [3.0, 0.0]], [[0.0, 4.0], [2.0, 0.0]]]])
    cam = mean.to_map(head, features)
    assert cam.tolist() == [[[[2, -4], [4, 0]]]] and mean.pool(cam).tolist() == [[0.5]]
